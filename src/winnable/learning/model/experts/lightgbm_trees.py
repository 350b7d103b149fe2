"""LightGBM trees: models evaluated through LightGBM's own C library, by ctypes.

`import lightgbm` would pull pandas and scikit-learn into a service; the shared library alone needs
neither. A tree's answer depends only on the leaf that a lead falls into, and so does the way to
that leaf. The reasons are therefore the steps of the way (Saabas 2014): what each split changed in
the mean of the leads below it, added up by feature. They are exact and additive, cost a table
look-up a tree instead of TreeSHAP's search through all subsets; the table is made when reasons are
first asked for.
"""

import ctypes
import importlib.util
import re
import threading
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnable.core.columns import FloatArray, IntArray
from winnable.errors import ArtifactError
from winnable.learning.model.experts.tree_checks import check_lightgbm

# LightGBM's own numbers for the type of a matrix and the kind of a prediction (c_api.h).
FLOAT64 = 1
RAW = 1
LEAF = 2
LIBRARY_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")

BATCH_ROWS = 4096
"""Leads whose reasons are computed together, so that memory does not grow with the export."""


@cache
def _library() -> ctypes.CDLL:
    found = importlib.util.find_spec("lightgbm")
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        for path in (
            Path(folder) / place / name for place in ("lib", "bin", ".") for name in LIBRARY_NAMES
        ):
            if path.is_file():
                library = ctypes.CDLL(str(path))
                library.LGBM_GetLastError.restype = ctypes.c_char_p
                return library
    raise ArtifactError(
        "LightGBM's shared library was not found; install the package lightgbm in this environment"
    )


def _call(function: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, function)(*arguments):
        raise ArtifactError(
            f"LightGBM refused ({function}): {library.LGBM_GetLastError().decode(errors='replace')}"
        )


class _FastRow:
    """LightGBM's prepared call for one row; it owns buffers, so that each thread needs its own."""

    def __init__(self, booster: ctypes.c_void_p, features: int) -> None:
        self.row = np.empty(features)
        self.score = np.empty(1)
        self._config = ctypes.c_void_p()
        self._length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            booster,
            ctypes.c_int(RAW),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(FLOAT64),
            ctypes.c_int32(features),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._config),
        )
        self._arguments = (
            self._config,
            self.row.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._length),
            self.score.ctypes.data_as(ctypes.c_void_p),
        )
        self._predict = _library().LGBM_BoosterPredictForMatSingleRowFast

    def __call__(self, features: FloatArray) -> FloatArray:
        self.row[:] = features
        if self._predict(*self._arguments):
            raise ArtifactError(
                f"LightGBM refused a row: {_library().LGBM_GetLastError().decode(errors='replace')}"
            )
        return self.score

    def __del__(self) -> None:
        if self._config:
            _library().LGBM_FastConfigFree(self._config)


class LightGBMTrees:
    """A LightGBM model from its text; its raw scores are log-odds. `sources` (features,) numbers
    the column behind each feature.

    Errors: ArtifactError if the text is not a LightGBM model as we write them, since the library
    would follow any index in it, or if the library is missing.
    """

    def __init__(self, text: str, sources: IntArray) -> None:
        self._booster = ctypes.c_void_p()
        check_lightgbm(text, len(sources))
        rounds = ctypes.c_int()
        arguments = (
            ctypes.c_char_p(text.encode()),
            ctypes.byref(rounds),
            ctypes.byref(self._booster),
        )
        _call("LGBM_BoosterLoadModelFromString", *arguments)
        self._features = len(sources)
        self._sources = sources
        self._trees = text.split("\nTree=")[1:]
        self._values, self._leaves = _lines(self._trees, "leaf_value")
        self._starts = np.cumsum([0, *self._leaves])[:-1].astype(np.int64)
        self._threads = threading.local()

    def __del__(self) -> None:
        if self._booster:
            _library().LGBM_BoosterFree(self._booster)

    @property
    def base(self) -> float:
        """The log-odds to which the columns of a lead add."""
        return self._ways[0]

    @cached_property
    def _ways(self) -> tuple[float, NDArray[np.float32]]:
        """The sum of the trees' means, and what each source adds to it on the way to each leaf,
        (leaves, sources)."""
        return _Ways(self._trees, self._values, self._leaves).added(self._sources)

    def logit(
        self, features: FloatArray, *, reasons: bool = False
    ) -> tuple[FloatArray, FloatArray | None]:
        """Raw scores (n,) of features (n, features), and if asked what each source added to `base`
        (n, sources)."""
        logit = np.empty((len(features), 1))
        if len(features) == 1:
            fast = getattr(self._threads, "fast", None)
            if fast is None:
                fast = self._threads.fast = _FastRow(self._booster, self._features)
            logit[0] = fast(features[0])
        else:
            self._predict(RAW, features, logit)
        return logit[:, 0], self._added(features) if reasons else None

    def _added(self, features: FloatArray) -> FloatArray:
        """What each source added to `base` (n, sources), a batch of leads at a time."""
        parts = np.empty((len(features), self._ways[1].shape[1]))
        for at in range(0, len(features), BATCH_ROWS):
            batch = features[at : at + BATCH_ROWS]
            leaves = np.empty((len(batch), len(self._starts)))
            self._predict(LEAF, batch, leaves)
            for row, places in enumerate(self._starts + leaves.astype(np.int64)):
                parts[at + row] = self._ways[1][places].sum(axis=0, dtype=np.float64)
        return parts

    def _predict(self, kind: int, features: FloatArray, out: FloatArray) -> None:
        """Fill `out` with what LightGBM predicts for features (n, features): (n, 1) raw scores or
        (n, trees) leaves."""
        rows = np.ascontiguousarray(features, dtype=np.float64)
        length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMat",
            self._booster,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int(FLOAT64),
            ctypes.c_int32(len(rows)),
            ctypes.c_int32(self._features),
            ctypes.c_int(1),
            ctypes.c_int(kind),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(length),
            ctypes.c_void_p(out.ctypes.data),
        )


class _Ways:
    """The ways through LightGBM's trees from their texts, all trees together, a node at a time.

    Nodes are numbered after the ones above them, leaves behind all nodes. The mean of a node is
    that of the training leads below.
    """

    def __init__(self, trees: Sequence[str], values: FloatArray, leaves: IntArray) -> None:
        (left, self._inner), (right, _), (asked, _), (counts, counted) = (
            _lines(trees, key)
            for key in ("left_child", "right_child", "split_feature", "leaf_count")
        )
        self._nodes = int(self._inner.max(initial=0))
        children = np.stack(
            [_padded(side, self._inner, self._nodes).astype(np.int64) for side in (left, right)]
        )
        # LightGBM writes a leaf as ~leaf.
        self._children = np.where(children < 0, self._nodes + ~children, children)
        self._asked = _padded(asked, self._inner, self._nodes).astype(np.int64)
        self._leaf = np.arange(int(leaves.max())) < leaves[:, None]
        self._means, mass = np.zeros((2, len(trees), self._nodes + self._leaf.shape[1]))
        self._means[:, self._nodes :] = _padded(values, leaves, self._leaf.shape[1])
        mass[:, self._nodes :] = _padded(counts, counted, self._leaf.shape[1])
        for node in reversed(range(self._nodes)):
            at = np.flatnonzero(self._inner > node)
            below = self._children[:, at, node]
            mass[at, node] = mass[at, below].sum(axis=0)
            total = (mass[at, below] * self._means[at, below]).sum(axis=0)
            self._means[at, node] = total / np.maximum(mass[at, node], 1.0)
        # A tree may be one leaf.
        roots = np.where(self._inner > 0, 0, self._nodes)
        self._roots = self._means[np.arange(len(trees)), roots]

    def added(self, sources: IntArray) -> tuple[float, NDArray[np.float32]]:
        """The sum of the trees' means, and what each source adds to it on the way to each leaf,
        (leaves, sources)."""
        added = np.zeros((*self._means.shape, int(sources.max(initial=0)) + 1), dtype=np.float32)
        for node in range(self._nodes):
            at = np.flatnonzero(self._inner > node)
            for child in self._children[:, at, node]:
                added[at, child] = added[at, node]
                added[at, child, sources[self._asked[at, node]]] += (
                    self._means[at, child] - self._means[at, node]
                )
        return float(self._roots.sum()), added[:, self._nodes :][self._leaf]


def _lines(trees: Sequence[str], key: str) -> tuple[FloatArray, IntArray]:
    """The numbers that stand under a key in the trees, one tree after the other, and how many there
    are in each."""
    found = [re.search(rf"^{key}=(.*)$", tree, re.MULTILINE) for tree in trees]
    words_by_tree = [[] if line is None else line[1].split() for line in found]
    values = np.array([word for words in words_by_tree for word in words], dtype=np.float64)
    return values, np.array([len(words) for words in words_by_tree])


def _padded(values: FloatArray, lengths: IntArray, width: int) -> FloatArray:
    """Rows of different lengths, one after the other, as a table with zeros behind the shorter
    ones."""
    table = np.zeros((len(lengths), width))
    table[np.arange(width) < lengths[:, None]] = values
    return table
