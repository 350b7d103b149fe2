"""Trees: LightGBM models evaluated through LightGBM's own C library, by ctypes.

`import lightgbm` would pull pandas and scikit-learn into a service; the shared library alone needs neither. A tree's answer
depends only on the leaf that a lead falls into, and so does the way to that leaf. The reasons are therefore the steps of the way
(Saabas 2014): what each split changed in the mean of the leads below it, added up by feature. They are exact and additive, cost a
table look-up a tree instead of TreeSHAP's search through all subsets, and the table is made once, at load.
"""

import ctypes
import importlib.util
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from winnable.definition.facts import FloatArray, IntArray
from winnable.errors import ArtefactError

FLOAT64, RAW, LEAF = 1, 1, 2
LIBRARY_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
BATCH = 4096


@cache
def _library() -> ctypes.CDLL:
    found = importlib.util.find_spec("lightgbm")
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        for path in (Path(folder) / place / name for place in ("lib", "bin", ".") for name in LIBRARY_NAMES):
            if path.is_file():
                library = ctypes.CDLL(str(path))
                library.LGBM_GetLastError.restype = ctypes.c_char_p
                return library
    raise ArtefactError("LightGBM's shared library was not found; install the package lightgbm in this environment")


def _call(function: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, function)(*arguments):
        raise ArtefactError(f"LightGBM refused ({function}): {library.LGBM_GetLastError().decode(errors='replace')}")


class _FastRow:
    """LightGBM's prepared call for one row; it owns buffers, so that each thread needs its own."""

    def __init__(self, booster: ctypes.c_void_p, features: int, size: int) -> None:
        self.row = np.empty(features)
        self.leaves = np.empty(size)
        self._config = ctypes.c_void_p()
        self._length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            *(booster, ctypes.c_int(LEAF), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(FLOAT64), ctypes.c_int32(features)),
            *(ctypes.c_char_p(b"num_threads=1"), ctypes.byref(self._config)),
        )
        self._arguments = (
            *(self._config, self.row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(self._length)),
            self.leaves.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        self._predict = _library().LGBM_BoosterPredictForMatSingleRowFast

    def __call__(self, features: FloatArray) -> FloatArray:
        self.row[:] = features
        if self._predict(*self._arguments):
            raise ArtefactError(f"LightGBM refused a row: {_library().LGBM_GetLastError().decode(errors='replace')}")
        return self.leaves

    def __del__(self) -> None:
        if self._config:
            _library().LGBM_FastConfigFree(self._config)


class Trees:
    """A LightGBM model from its text; its raw scores are log-odds. `sources` (features,) numbers the column behind each feature.

    Errors: ArtefactError if the text is not a LightGBM model or the library is missing.
    """

    def __init__(self, text: str, sources: IntArray) -> None:
        self._booster = ctypes.c_void_p()
        rounds = ctypes.c_int()
        arguments = (ctypes.c_char_p(text.encode()), ctypes.byref(rounds), ctypes.byref(self._booster))
        _call("LGBM_BoosterLoadModelFromString", *arguments)
        self._features = _header(text, "max_feature_idx") + 1
        trees = [_Tree(block) for block in text.split("\nTree=")[1:]]
        self._starts = np.cumsum([0] + [len(tree.leaf_values) for tree in trees])[:-1].astype(np.int64)
        self._values = np.concatenate([tree.leaf_values for tree in trees])
        self.base = float(sum(tree.root for tree in trees))
        self._parts = np.zeros((len(self._values), int(sources.max(initial=0)) + 1), dtype=np.float32)
        for start, tree in zip(self._starts, trees, strict=True):
            for leaf, way in enumerate(tree.ways):
                for feature, change in way:
                    self._parts[start + leaf, sources[feature]] += change
        self._threads = threading.local()

    def __del__(self) -> None:
        if self._booster:
            _library().LGBM_BoosterFree(self._booster)

    def leaves(self, features: FloatArray) -> IntArray:
        """The place of the leaf of each lead in each tree: (n, features) to (n, trees)."""
        if len(features) == 1:
            fast = getattr(self._threads, "fast", None)
            if fast is None:
                fast = self._threads.fast = _FastRow(self._booster, self._features, len(self._starts))
            return (self._starts + fast(features[0]).astype(np.int64))[None, :]
        out = np.empty((len(features), len(self._starts)))
        rows = np.ascontiguousarray(features, dtype=np.float64)
        length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMat",
            *(self._booster, rows.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(FLOAT64), ctypes.c_int32(len(rows))),
            *(ctypes.c_int32(self._features), ctypes.c_int(1), ctypes.c_int(LEAF), ctypes.c_int(0), ctypes.c_int(-1)),
            *(ctypes.c_char_p(b"num_threads=1"), ctypes.byref(length), out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))),
        )
        return np.asarray(self._starts + out.astype(np.int64), dtype=np.int64)

    def logit(self, features: FloatArray, *, reasons: bool = False) -> tuple[FloatArray, FloatArray | None]:
        """Raw scores (n,) of features (n, features), and if asked what each source added to `base` (n, sources)."""
        logit, parts = np.empty(len(features)), np.empty((len(features), self._parts.shape[1])) if reasons else None
        for at in range(0, len(features), BATCH):
            leaves = self.leaves(features[at : at + BATCH])
            logit[at : at + BATCH] = self._values[leaves].sum(axis=1)
            if parts is not None:
                for row, places in enumerate(leaves):
                    parts[at + row] = self._parts[places].sum(axis=0, dtype=np.float64)
        return logit, parts


def _header(text: str, key: str) -> int:
    for line in text.splitlines():
        if line.startswith(f"{key}="):
            return int(line.split("=", 1)[1])
    raise ArtefactError(f"the trees are not a LightGBM model: no {key} in its header")


class _Tree:
    """One tree of a LightGBM text: its leaves' values, and the way to each leaf as (feature, change of the mean) steps."""

    def __init__(self, block: str) -> None:
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        self.leaf_values = np.array(fields["leaf_value"].split(), dtype=np.float64)
        self.ways: list[list[tuple[int, float]]] = [[] for _ in self.leaf_values]
        if len(self.leaf_values) == 1:
            self.root = float(self.leaf_values[0])
            return
        self._left, self._right, self._asked = (
            [int(word) for word in fields[key].split()] for key in ("left_child", "right_child", "split_feature")
        )
        self._counts = [float(word) for word in fields["leaf_count"].split()]
        self._means: dict[int, tuple[float, float]] = {}
        self.root = self._mean(0)[0]
        self._walk(0, [])

    def _mean(self, node: int) -> tuple[float, float]:
        """The mean value of the training leads below a node, and their number; leaves are ~node, as LightGBM writes them."""
        if node < 0:
            return float(self.leaf_values[~node]), self._counts[~node]
        (left, many), (right, more) = self._mean(self._left[node]), self._mean(self._right[node])
        self._means[node] = ((left * many + right * more) / max(many + more, 1.0), many + more)
        return self._means[node]

    def _walk(self, node: int, way: list[tuple[int, float]]) -> None:
        if node < 0:
            self.ways[~node] = way
            return
        for child in (self._left[node], self._right[node]):
            mean = self.leaf_values[~child] if child < 0 else self._means[child][0]
            self._walk(child, [*way, (self._asked[node], float(mean) - self._means[node][0])])
