"""The errors that winnable raises on purpose, and nothing else.

Every one is written for the person who can mend its cause: it says what is wrong, where, what stood
there and what to do. Whoever calls winnable may catch the root; the children exist only where
callers treat them differently.

    WinnableError
    ├── DefinitionError     the definition file cannot be used as it stands
    ├── DataError           the CRM data cannot be used as they stand
    ├── StoreError          the store (models, labels) cannot be read or written
    ├── LabelError          a label contradicts what the store already holds
    └── ArtifactError       a trained model is incomplete, altered or of another version
"""


class WinnableError(Exception):
    """Root of all errors that a user can mend. The message is the whole explanation."""


class DefinitionError(WinnableError):
    """The definition file cannot be used: names the file, the key, what was expected and what stood
    there."""


class DataError(WinnableError):
    """The data cannot be used: names the source, the column or row, what was expected and what
    stood there."""


class StoreError(WinnableError):
    """The store cannot be read or written: names the place and what to do."""


class LabelError(WinnableError):
    """A label cannot be taken: it contradicts what the store holds. Never repeats what was in it."""


class ArtifactError(WinnableError):
    """A trained model must not be used: a file is missing, altered, or written for another version."""
