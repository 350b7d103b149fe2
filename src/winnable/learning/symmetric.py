"""Symmetric trees: CatBoost models as plain data, evaluated by numpy.

CatBoost's trees ask one question a level, so that a lead's leaf is the number its answers spell in binary. Besides numbers they
ask for the win rate or the frequency of words, of combinations of words, and of words together with a threshold on a number, as
counted on the training leads (Prokhorenkova et al. 2018). A combination of words is one integer key here, and every question
about its rate is answered beforehand for every key, so that a lead's answers are looked up by place.

The reasons are the steps of the way to the leaf, as in `trees`: what each answer changed in the mean of the leads below. A
question about a combination is shared equally by the columns in it.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnable.definition.facts import FloatArray, IntArray
from winnable.learning.encoding import Encoded

BATCH = 1024
DENSE = 8192
"""Combinations of up to this many possible keys are looked up by place; larger ones by search among the keys that were seen."""

LARGEST = float(np.finfo(np.float32).max)


def float_features(leads: Encoded, pairs: Sequence[tuple[int, int]]) -> FloatArray:
    """The numbers that the trees ask, (n, features) in float32's precision, as CatBoost trains on them.

    The leads' numbers, then one indicator for each (column of words, code) of `pairs`, then the rules' log-odds.
    """
    flags = [(leads.codes[:, column] == code)[:, None] for column, code in pairs]
    raw = np.hstack([leads.numbers, *flags, leads.rules[:, None]])
    return np.asarray(np.clip(raw, -LARGEST, LARGEST).astype(np.float32), dtype=np.float64)


class SymmetricTrees:
    """One or several CatBoost models, averaged, from the text that `symmetric_export` made; raw scores are log-odds."""

    def __init__(self, text: str) -> None:
        data = json.loads(text)
        self._pairs: list[tuple[int, int]] = [(column, code) for column, code in data["indicators"]]
        self._combinations = _Combinations(data)
        self._ask(data)
        values = np.array(data["values"], dtype=np.float64)
        self._flat = values.ravel()
        self._starts = np.arange(len(values)) * values.shape[1]
        self._members = np.array(data["members"], dtype=np.int64)
        self._changes, roots = _ways(values, np.array(data["sizes_of_leaves"], dtype=np.float64))
        self._offset = float(data["base"])
        self.base = self._offset + float(roots.sum())
        self._parts = _parts(self._changes, np.array(data["trees"], dtype=np.int64), _shares(data))

    def _ask(self, data: Mapping[str, Any]) -> None:
        """Sort the questions: those about numbers first, then those about rates, then the one that is always answered no."""
        floats = len(data["sources"]) - len(data["rates"])
        numbers = [i for i, (feature, _) in enumerate(data["splits"]) if feature < floats]
        rates = [i for i, (feature, _) in enumerate(data["splits"]) if feature >= floats]
        self._number_asked = np.array([data["splits"][i][0] for i in numbers], dtype=np.int64)
        self._number_border = np.array([data["splits"][i][1] for i in numbers])
        questions = [(*data["rates"][data["splits"][i][0] - floats], data["splits"][i][1]) for i in rates]
        self._combinations.prepare(questions)
        moved = np.empty(len(data["splits"]) + 1, dtype=np.int64)
        moved[[*numbers, *rates, len(data["splits"])]] = np.arange(len(moved))
        self._levels = moved[np.array(data["trees"], dtype=np.int64)].T

    def logit(self, leads: Encoded, *, reasons: bool = False) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Log-odds (n,), their variance (n,), and if asked what each column added to `base` (n, columns).

        The variance is that of learning from other leads, by the jackknife over the averaged models, each of which left out one
        of the parts that the leads were cut into (Efron and Tibshirani 1993, chapter 11).
        """
        many = len(self._members)
        members, parts = np.empty((many, leads.size)), np.empty((leads.size, self._parts.shape[1])) if reasons else None
        for at in range(0, leads.size, BATCH):
            batch = leads if leads.size <= BATCH else leads.take(np.arange(at, min(at + BATCH, leads.size)))
            leaves = self._leaves(batch)
            members[:, at : at + BATCH] = np.add.reduceat(self._flat[leaves], self._members, axis=0)
            if parts is not None:
                for row in range(batch.size):
                    parts[at + row] = self._parts[leaves[:, row]].sum(axis=0, dtype=np.float64)
        total = members.sum(axis=0)
        return self._offset + total, (many - 1) * many * ((members - total / many) ** 2).sum(axis=0), parts

    def _leaves(self, leads: Encoded) -> IntArray:
        """The place of the leaf in each tree, shape (trees, n). One lead goes by arrays of one dimension, at half the time."""
        numbers, codes = float_features(leads, self._pairs).T, leads.codes.T
        if leads.size == 1:
            numbers, codes = numbers[:, 0], codes[:, 0]
        about_numbers = numbers[self._number_asked] > _along(self._number_border, numbers)
        never = np.zeros((1, *numbers.shape[1:]), dtype=np.uint8)
        answers = np.concatenate([about_numbers.view(np.uint8), self._combinations.answers(codes, numbers), never])
        leaf = answers[self._levels[0]]
        for level in range(1, len(self._levels)):
            leaf |= answers[self._levels[level]] << level
        return np.asarray(_along(self._starts, leaf) + leaf, dtype=np.int64).reshape(len(self._starts), leads.size)


class _Combinations:
    """Words, combinations of words, words with thresholds on numbers: from a lead's codes to the answers about their rates."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._feature = np.array([feature for feature, _ in data["conditions"]], dtype=np.int64)
        self._border = np.array([border for _, border in data["conditions"]])
        never, terms = data["words"] + len(data["conditions"]), data["projections"]
        slots = max([0, *(len(term) for term in terms)])
        padded = [[*term, *[[never, 0]] * (slots - len(term))] for term in terms]
        self._atoms = np.array([[atom for atom, _ in term] for term in padded], dtype=np.int64).reshape(len(terms), slots).T
        self._radices = np.array([[radix for _, radix in term] for term in padded], dtype=np.int64).reshape(len(terms), slots).T
        starts = np.searchsorted(data["keys"], data["offsets"])
        self._keys = np.array(data["keys"], dtype=np.int64)
        self._offsets = np.array(data["offsets"], dtype=np.int64)
        self._counts = np.diff([*starts, len(self._keys)])
        self._first = starts.astype(np.int64)
        self._wins, self._sizes = (np.array(data[name], dtype=np.float64) for name in ("wins", "sizes"))
        spans = np.array(data["spans"], dtype=np.int64)
        self._dense = np.flatnonzero(spans <= DENSE)
        self._sparse = np.flatnonzero(spans > DENSE)
        # For each possible key of a dense combination its place among those seen; the place after the last one is "never seen".
        self._dense_start = np.cumsum([0, *spans[self._dense]])[:-1].astype(np.int64)
        self._places = np.repeat(self._counts[self._dense], spans[self._dense])
        for start, combination in zip(self._dense_start, self._dense, strict=True):
            seen = slice(self._first[combination], self._first[combination] + self._counts[combination])
            self._places[start + self._keys[seen] - self._offsets[combination]] = np.arange(self._counts[combination])

    def prepare(self, questions: Sequence[tuple[Any, ...]]) -> None:
        """Answer every question (combination, kind, prior, scale, total, border) for every key seen, and for one never seen."""
        self._asked = np.array([question[0] for question in questions], dtype=np.int64)
        tables = []
        for combination, kind, prior, scale, total, border in questions:
            seen = slice(self._first[combination], self._first[combination] + self._counts[combination])
            wins, sizes = np.append(self._wins[seen], 0.0), np.append(self._sizes[seen], 0.0)
            rate = (wins + prior) / (sizes + 1) if kind == 0 else (sizes + prior) / (total + 1)
            tables.append(scale * rate > border)
        self._answers = np.concatenate(tables).astype(np.uint8) if tables else np.empty(0, dtype=np.uint8)
        self._answer_start = np.cumsum([0, *(len(table) for table in tables)])[:-1].astype(np.int64)

    def answers(self, codes: IntArray, numbers: FloatArray) -> NDArray[np.uint8]:
        """0 or 1 for each question, (questions, n), from codes (words, n) and numbers (features, n); one lead goes without n."""
        if not len(self._asked):
            return np.empty((0, *codes.shape[1:]), dtype=np.uint8)
        conditions = numbers[self._feature] > _along(self._border, numbers)
        atoms = np.concatenate([codes, conditions, np.zeros((1, *codes.shape[1:]), dtype=np.int64)])
        keys = atoms[self._atoms[0]] * _along(self._radices[0], codes)
        for atom, radix in zip(self._atoms[1:], self._radices[1:], strict=True):
            keys += atoms[atom] * _along(radix, codes)
        places = np.empty_like(keys)
        places[self._dense] = self._places[_along(self._dense_start, keys) + keys[self._dense]]
        for combination in self._sparse:
            seen = self._keys[self._first[combination] : self._first[combination] + self._counts[combination]]
            wanted = keys[combination] + self._offsets[combination]
            found = np.minimum(np.searchsorted(seen, wanted), len(seen) - 1)
            places[combination] = np.where(seen[found] == wanted, found, len(seen))
        return np.asarray(self._answers[_along(self._answer_start, keys) + places[self._asked]], dtype=np.uint8)


def _along(values: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """A value a row of `like`, whether `like` has columns or not."""
    return values if like.ndim == 1 else values[:, None]


def _shares(data: Mapping[str, Any]) -> FloatArray:
    """How much of each question is about each column, (questions + 1, columns); the last, always answered no, is about none."""
    shares = np.zeros((len(data["splits"]) + 1, data["columns"]))
    for split, (feature, _) in enumerate(data["splits"]):
        sources = data["sources"][feature]
        for source in sources:
            shares[split, source] += 1.0 / len(sources)
    return shares


def _parts(changes: FloatArray, trees: IntArray, shares: FloatArray) -> NDArray[np.float32]:
    """What each column adds on the way to each leaf, (trees * leaves, columns), in single precision: `Scorer` settles the sum."""
    leaves = len(changes) // len(trees)
    out = np.zeros((len(changes), shares.shape[1]), dtype=np.float32)
    for level in range(trees.shape[1]):
        asked = np.repeat(trees[:, level], leaves)
        for start in range(0, len(out), 4096):
            rows = slice(start, start + 4096)
            out[rows] += changes[rows, level, None] * shares[asked[rows]]
    return out


def _ways(values: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each leaf what each answer changed in the mean below, (trees * leaves, depth), and each tree's mean (trees,)."""
    trees, leaves = values.shape
    sizes = sizes + 1e-9
    means = []
    for level in range(leaves.bit_length()):
        # The first question is the lowest bit, so leads alike in the first `level` answers are alike modulo 2 ** level.
        shape = (trees, leaves >> level, 1 << level)
        total = (values * sizes).reshape(shape).sum(axis=1) / sizes.reshape(shape).sum(axis=1)
        means.append(np.tile(total, (1, leaves >> level)))
    changes = np.stack([after - before for before, after in pairwise(means)], axis=2)
    return changes.reshape(trees * leaves, -1), means[0][:, 0]
