"""The structure of trees, checked before they are evaluated.

Digests say that a model is as it was written, not that it was written by us. LightGBM's C library
trusts its text: a child, a feature or a count out of range reads memory that is not the model's,
and a circle never ends. CatBoost's trees are numpy's, which would fail with the first lead that
gets there. Whatever is not as `boosting` writes it is refused here; what numbers mean is not
looked at.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.errors import ArtifactError

MAX_LEAVES = 1024
"""Of one LightGBM tree, which has 31 at most as we train them; the library walks down by
recursion."""

_INTS = r"((?:-?[0-9]{1,10}(?: -?[0-9]{1,10})*)?)"
_FLOATS = r"((?:[-+.\w]+(?: [-+.\w]+)*)?)"

_HEAD = re.compile(
    r"tree\nversion=v[34]\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
    r"max_feature_idx=([0-9]{1,9})\nobjective=binary sigmoid:1\n"
    r"feature_names=([^\n]*)\nfeature_infos=([^\n]*)\n*",
    re.ASCII,
)
_OF_SPLITS = ("split_feature", "split_gain", "threshold", "decision_type")
_CHILDREN = ("left_child", "right_child")
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_OF_NODES = ("internal_value", "internal_weight", "internal_count")
_ARRAYS = (*_OF_SPLITS, *_CHILDREN, *_OF_LEAVES, *_OF_NODES)
_INT_ARRAYS = {"split_feature", "decision_type", *_CHILDREN, "leaf_count", "internal_count"}
_TREE = re.compile(
    r"[0-9]+\nnum_leaves=([0-9]{1,9})\nnum_cat=0\n"
    + "".join(f"{name}={_INTS if name in _INT_ARRAYS else _FLOATS}\n" for name in _ARRAYS)
    + r"is_linear=0\nshrinkage=[-+.\w]+\n*",
    re.ASCII,
)
"""A tree as LightGBM writes it: every line once, in this order. Without categories and without
regressions in leaves, which are not trained here."""

_NUMERIC_DECISIONS = {str(missing << 2 | left << 1) for missing in range(3) for left in range(2)}
"""LightGBM's decision types of numbers: what is missing, and where it goes by default."""


def check_lightgbm(text: str, features: int) -> None:
    """`ArtifactError` unless this is the text of LightGBM trees over so many features."""
    whole, _, rest = text.partition("\nend of trees")
    head, *trees = whole.split("\nTree=")
    found = _HEAD.fullmatch(head + "\n")
    if found is None or rest.strip("\n") or not trees:
        raise _refused("lightgbm", "head and end are not those of a model that was trained here")
    counts = [int(found[1]) + 1, len(found[2].split(" ")), len(found[3].split(" "))]
    if counts != [features] * 3:
        raise _refused("lightgbm", f"it asks {counts[0]} features, where leads have {features}")
    for number, tree in enumerate(trees):
        problem = _problem_of_tree(tree + "\n", features)
        if problem is not None:
            raise _refused("lightgbm", f"tree {number}: {problem}")


def _problem_of_tree(tree: str, features: int) -> str | None:
    """What is wrong with the text of one LightGBM tree, if anything."""
    found = _TREE.fullmatch(tree)
    if found is None:
        return "a line is missing, added or not of numbers"
    leaves = int(found[1])
    if not 1 <= leaves <= MAX_LEAVES:
        return f"it has {leaves} leaves"
    arrays = dict(zip(_ARRAYS, (part.split() for part in found.groups()[1:]), strict=True))
    for name, words in arrays.items():
        wanted = {leaves if name in _OF_LEAVES else leaves - 1}
        if leaves == 1 and name != "leaf_value":
            wanted = {0, 1}  # LightGBM reads none of them
        if len(words) not in wanted:
            return f"{name} has {len(words)} numbers, where the tree has {leaves} leaves"
    return _problem_of_splits(arrays, features) or _problem_of_children(
        *([int(word) for word in arrays[name]] for name in _CHILDREN)
    )


def _problem_of_splits(arrays: Mapping[str, Sequence[str]], features: int) -> str | None:
    """Splits ask numbers that leads have, and lead to numbers."""
    if not set(arrays["decision_type"]) <= _NUMERIC_DECISIONS:
        return "it asks something else than numbers"
    if any(not 0 <= int(feature) < features for feature in arrays["split_feature"]):
        return "it asks a feature that leads do not have"
    if not np.isfinite(_floats(arrays["leaf_value"])).all():
        return "a leaf has no value"
    if np.isnan(_floats(arrays["threshold"])).any():  # infinity parts numbers from missing
        return "a threshold is no number"
    return None


def _problem_of_children(left: Sequence[int], right: Sequence[int]) -> str | None:
    """Every node but the first and every leaf, which is written as ~leaf, is the child of one node
    above it."""
    nodes = len(left)
    if not nodes:
        return None
    if sorted([*left, *right]) != [*range(-nodes - 1, 0), *range(1, nodes)]:
        return "a child is not there, or has two parents"
    for side in (left, right):
        if any(0 <= child <= node for node, child in enumerate(side)):
            return "a child stands before its parent"
    return None


def _floats(words: Sequence[str]) -> FloatArray:
    """NaN for each where one of them is no number."""
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        return np.full(len(words), np.nan)


def check_catboost(data: Any, level_counts: Sequence[int], numbers: int) -> None:
    """`ArtifactError` unless these are the data of CatBoost trees over so many columns of numbers,
    and columns of words with so many codes each."""
    try:
        _check_catboost(data, level_counts, numbers)
    except ArtifactError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise _refused("catboost", f"{type(error).__name__}: {error}") from None


def _check_catboost(data: Mapping[str, Any], level_counts: Sequence[int], numbers: int) -> None:
    words = len(level_counts)
    columns = numbers + words + 1
    _require([data["words"], data["columns"]] == [words, columns], "columns")
    indicators = _pairs(data["indicators"])
    _within(indicators[:, 0], words, "indicators")
    floats = numbers + len(indicators) + 1
    _within(_first(data["conditions"]), floats, "conditions")
    _check_combinations(data, [*level_counts, *[2] * len(data["conditions"])])
    _within(_first(data["rates"]), len(data["spans"]), "rates")
    _numbers(data["rates"], (len(data["rates"]), 5))
    sources = floats + len(data["rates"])
    _require(len(data["sources"]) == sources, "sources")
    for source in data["sources"]:
        _within(_ints(source), columns, "sources")
    splits = data["splits"]
    _within(_first(splits), sources, "splits")
    _check_trees(data, len(splits))


def _check_combinations(data: Mapping[str, Any], sizes: Sequence[int]) -> None:
    """Each combination's key is a number in mixed radices below its span, and those seen stand in
    order; `sizes` says how many values each of its parts has."""
    spans = []
    for terms in data["projections"]:
        span = 1
        for atom, radix in _pairs(terms).tolist():
            _within(np.array([atom]), len(sizes), "projections")
            _require(radix == span, "projections")
            span *= sizes[atom]
        spans.append(span)
    _require(data["spans"] == spans and sum(spans) < 2**62, "spans")
    ends = np.cumsum([0, *spans])
    keys = _ints(data["keys"])
    _require(data["offsets"] == ends[:-1].tolist(), "offsets")
    _require(bool((np.diff(keys) > 0).all()), "keys")
    _within(keys, int(ends[-1]), "keys")
    _require(bool((np.diff(np.searchsorted(keys, ends)) > 0).all()), "keys")
    for name in ("wins", "sizes"):
        _numbers(data[name], (len(keys),))


def _check_trees(data: Mapping[str, Any], splits: int) -> None:
    """The trees ask questions that are there, one more than those never asked; every tree has a
    value for each leaf."""
    trees = _ints(data["trees"])
    _require(trees.ndim == 2 and trees.shape[0] > 0 and 1 <= trees.shape[1] <= 8, "trees")
    _within(trees, splits + 1, "trees")
    _numbers(data["splits"], (splits, 2))
    shape = (len(trees), 2 ** trees.shape[1])
    _numbers(data["values"], shape)
    _numbers(data["sizes_of_leaves"], shape)
    _numbers(data["base"], ())
    members = _ints(data["members"])
    _within(members, len(trees), "members")
    _require(bool(members[0] == 0 and (np.diff(members) > 0).all()), "members")


def _ints(values: Any) -> IntArray:
    """Whole numbers as an array; an empty list is one, too."""
    array = np.array(values)
    _require(array.dtype.kind == "i" or not array.size, "whole numbers")
    return array.astype(np.int64)


def _first(rows: Any) -> IntArray:
    return _ints([row[0] for row in rows])


def _pairs(rows: Any) -> IntArray:
    return _ints(rows).reshape(len(rows), 2)


def _numbers(values: Any, shape: tuple[int, ...]) -> None:
    array = np.array(values)
    _require(array.dtype.kind in "if" or not array.size, "numbers")
    _require(array.shape == shape or (not array.size and shape[0] == 0), "numbers")
    _require(bool(np.isfinite(array.astype(np.float64)).all()), "numbers")


def _within(values: IntArray, end: int, what: str) -> None:
    _require(bool(((values >= 0) & (values < end)).all()), what)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} do not fit")


def _refused(kind: str, why: str) -> ArtifactError:
    return ArtifactError(
        f"the trees of {kind} are not those of a model that was trained here ({why}). Train again"
        " or promote another version."
    )
