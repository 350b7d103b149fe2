"""The exceptions that winnable raises on purpose, and nothing else.

Every message is written for the person who can correct the cause: it says what is wrong, where,
what stood there and what to do. Callers may catch the root; the subclasses exist only where callers
treat them differently.

    WinnableError
    ├── DefinitionError     the definition file cannot be used as it stands
    ├── DataError           the CRM data cannot be used as they stand
    ├── StoreError          the store (models, labels) cannot be read or written
    ├── LabelError          a label contradicts what the store already holds
    └── ArtifactError       a trained model is incomplete, altered or of another version
"""


class WinnableError(Exception):
    """Base class of all errors that a user can correct.

    Its message is the whole explanation: what is wrong, where, what stood there and what to do.
    Anything that is not a `WinnableError` is a bug in winnable.

    See Also
    --------
    DefinitionError, DataError, StoreError, ArtifactError : What exactly cannot be used.

    Examples
    --------
    >>> import winnable
    >>> try:
    ...     winnable.load("no-such-store")
    ... except winnable.WinnableError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    no-such-store: ...
    """


_TRAINING_PACKAGES = {
    "catboost": "catboost",
    "matplotlib": "matplotlib",
    "mlflow": "mlflow",
    "sklearn": "scikit-learn",
    "threadpoolctl": "threadpoolctl",
}
"""What only the extra `train` brings along, by the name that is imported."""


def explained(error: ModuleNotFoundError) -> Exception:
    """What to raise for a package that is not there: a `WinnableError` that says what to install if
    it is one that only training needs, else the error itself."""
    package = _TRAINING_PACKAGES.get((error.name or "").split(".")[0])
    if package is None:
        return error
    return WinnableError(
        f"{package} is not installed: this installation is for scoring and serving. Install"
        " winnable[train] for everything else."
    )


class DefinitionError(WinnableError):
    """The definition cannot be used as it stands.

    The message has one line for each thing that is wrong. It names the file, the key, what was
    expected and what stood there, and the nearest known word for one that is not known.

    Examples
    --------
    >>> from winnable import DefinitionError
    >>> from winnable.definition.load import definition_from
    >>> mapping = {"outcome": {"won": ["Won"]}, "columns": {"stauts": "Stage"}}
    >>> try:
    ...     definition_from(mapping, "crm.toml")
    ... except DefinitionError as error:
    ...     print(error)
    crm.toml: columns, status: is missing; add it
    crm.toml: columns, stauts: there is no such key; did you mean 'status'?
    """


class DataError(WinnableError):
    """The CRM data cannot be used as they stand.

    The message names the source (file, table or data frame), the column or row, what was expected
    and what stood there.

    Examples
    --------
    >>> import winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"]}, "columns": {"status": "Stage"}}
    ... )
    >>> try:
    ...     winnable.read("no-such-export.csv", definition=definition)
    ... except winnable.DataError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    no-such-export.csv: ...
    """


class StoreError(WinnableError):
    """The store, where models and labels are kept, or a file cannot be read or written.

    The message names the place and says what to do.

    Examples
    --------
    >>> import winnable
    >>> try:
    ...     winnable.load("no-such-store")
    ... except winnable.StoreError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    no-such-store: ...
    """


class LabelError(WinnableError):
    """A label cannot be stored: it contradicts what the store holds.

    The message never repeats the label, which may be personal data.
    """


class ArtifactError(WinnableError):
    """A trained model must not be used.

    A file of it is missing, was altered since it was written, or was written for another version of
    winnable. The message says which, and whether to train again.

    Examples
    --------
    >>> from pathlib import Path
    >>> from winnable import ArtifactError
    >>> from winnable.learning.artifacts.artifact import read_artifact
    >>> try:
    ...     read_artifact(Path("no-such-model"))
    ... except ArtifactError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    no-such-model: ...
    """
