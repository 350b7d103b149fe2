"""Which leads are winnable: the probability that a lead becomes Closed Won, learned from a
company's own history.

What stands in `__all__` is the Python interface; everything else may change between versions. Names
are imported when they are first asked for (PEP 562), so that the service, which needs few of them,
starts without what only training needs.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winnable.data.dataset import Dataset
    from winnable.data.ingestion.sources.options import ReadOptions
    from winnable.definition.schema import Definition
    from winnable.errors import ArtifactError, DataError, DefinitionError, StoreError, WinnableError
    from winnable.interface import Model, check, load, read, train
    from winnable.learning.model.classifier import LeadClassifier

_HOME = {
    "ArtifactError": "winnable.errors",
    "DataError": "winnable.errors",
    "Dataset": "winnable.data.dataset",
    "Definition": "winnable.definition.schema",
    "DefinitionError": "winnable.errors",
    "LeadClassifier": "winnable.learning.model.classifier",
    "Model": "winnable.interface",
    "ReadOptions": "winnable.data.ingestion.sources.options",
    "StoreError": "winnable.errors",
    "WinnableError": "winnable.errors",
    "check": "winnable.interface",
    "load": "winnable.interface",
    "read": "winnable.interface",
    "train": "winnable.interface",
}

__all__ = [
    "ArtifactError",
    "DataError",
    "Dataset",
    "Definition",
    "DefinitionError",
    "LeadClassifier",
    "Model",
    "ReadOptions",
    "StoreError",
    "WinnableError",
    "check",
    "load",
    "read",
    "train",
]


_FORMER_NAMES = {"ArtefactError": "ArtifactError", "Data": "Dataset"}


def __getattr__(name: str) -> Any:
    if name in _FORMER_NAMES:
        warnings.warn(
            f"winnable.{name} is now winnable.{_FORMER_NAMES[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
        name = _FORMER_NAMES[name]
    if name not in _HOME:
        raise AttributeError(
            f"module 'winnable' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        from winnable.errors import explained

        raise explained(error) from None


def __dir__() -> list[str]:
    return __all__
