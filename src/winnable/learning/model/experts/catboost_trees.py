"""CatBoost trees (oblivious, that is symmetric, decision trees) as plain data, evaluated by numpy.

CatBoost's trees ask one question a level, so that a lead's leaf is the number its answers spell in
binary. Besides numbers they ask for the win rate or the frequency of words, of combinations of
words, and of words together with a threshold on a number, as counted on the training leads
(Prokhorenkova et al. 2018). A combination of words is one integer key here, and every question
about its rate is answered beforehand for every key, so that a lead's answers are looked up by
place.

Eight leads go together: their answers to a question are the bits of one byte, the bytes of a tree's
questions are one integer of 64 bits, and turning that about, as a matrix of 8 by 8 bits (Warren,
Hacker's Delight, 2012, chapter 7), gives eight leaves.

The reasons are the steps of the way to the leaf, as in `lightgbm_trees`: what each answer changed
in the mean of the leads below. A question about a combination is shared equally by the columns in
it. They are prepared when they are first asked for."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from winnable.core.columns import FloatArray, IntArray
from winnable.errors import ArtifactError
from winnable.learning.model.experts.encoding import Encoded
from winnable.learning.model.experts.tree_checks import check_catboost

BATCH_ROWS = 128
"""Leads that are evaluated together, so that memory does not grow with the table."""

LEADS_PER_BYTE = 8
"""Leads whose answers are the bits of a byte; and the most questions of a tree, since a leaf's
number has to fit one."""

MAX_DENSE_KEYS = 8192
"""Combinations of up to this many possible keys are looked up by place; larger ones by search among
the keys that were seen."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest number that CatBoost, which trains in float32, can tell from infinity."""

# Eight bytes of 0 or 1 times the one have their bits in the top byte, which is what a shift by the
# other leaves.
_SPELL = np.uint64(0x0102040810204080)
_TOP = np.uint64(56)
_TURNS = [
    (np.uint64(by), np.uint64(mask))
    for by, mask in ((7, 0xAA00AA00AA00AA), (14, 0xCCCC0000CCCC), (28, 0xF0F0F0F0))
]


def float_features(leads: Encoded, pairs: Sequence[tuple[int, int]]) -> FloatArray:
    """The numbers that the trees ask, (n, features) in float32's precision, as CatBoost trains on
    them.

    The leads' numbers, then one indicator for each (column of words, code) of `pairs`, then the
    rules' log-odds.
    """
    return _single(leads, _table(pairs)).astype(np.float64)


class CatBoostTrees:
    """One or several CatBoost models, averaged, from the text that `catboost_export` made; raw
    scores are log-odds.

    `level_counts` are the codes of each column of words, `numbers` the columns of numbers.

    Errors: ArtifactError if the data do not fit together or the columns.
    """

    def __init__(self, text: str, level_counts: Sequence[int], numbers: int) -> None:
        data = _read(text)
        check_catboost(data, level_counts, numbers)
        self._pairs = _table(data["indicators"])
        self._combinations = _Combinations(data)
        self._trees = np.array(data["trees"], dtype=np.int64)
        self._asked = self._ask(data)
        self._values = np.array(data["values"], dtype=np.float64)
        self._flat = self._values.ravel()
        self._starts = np.arange(len(self._values)) * self._values.shape[1]
        self._members = np.array(data["members"], dtype=np.int64)
        self._offset = float(data["base"])
        self._sizes = np.array(data["sizes_of_leaves"], dtype=np.float64) + 1e-9
        self._sources = [data["sources"][feature] for feature, _ in data["splits"]]
        self._columns = int(data["columns"])

    def _ask(self, data: Mapping[str, Any]) -> IntArray:
        """Sort the questions: those about numbers first, then those about rates, then the one that
        is always answered no.

        Returns which ones each tree asks, eight a tree, one tree after the other.
        """
        depth = self._trees.shape[1]
        floats = len(data["sources"]) - len(data["rates"])
        numbers = [i for i, (feature, _) in enumerate(data["splits"]) if feature < floats]
        rates = [i for i, (feature, _) in enumerate(data["splits"]) if feature >= floats]
        numbers.sort(key=lambda i: int(data["splits"][i][0]))  # the same number is read once
        self._number_asked = np.array([data["splits"][i][0] for i in numbers], dtype=np.int64)
        self._number_border = borders_of([data["splits"][i][1] for i in numbers])
        self._combinations.prepare(
            [(*data["rates"][data["splits"][i][0] - floats], data["splits"][i][1]) for i in rates]
        )
        never = len(data["splits"])
        moved = np.empty(never + 1, dtype=np.int64)
        moved[[*numbers, *rates, never]] = np.arange(never + 1)
        asked = np.full((len(self._trees), LEADS_PER_BYTE), never)
        asked[:, :depth] = moved[self._trees]
        return asked.ravel()

    @cached_property
    def base(self) -> float:
        """The log-odds to which the columns of a lead add."""
        return self._offset + float(
            ((self._values * self._sizes).sum(axis=1) / self._sizes.sum(axis=1)).sum()
        )

    def logit(
        self, leads: Encoded, *, reasons: bool = False
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Log-odds (n,), their variance (n,), and if asked what each column added to `base` (n,
        columns).

        The variance is that of learning from other leads, by the jackknife over the averaged
        models, each of which left out one of the parts that the leads were cut into (Efron and
        Tibshirani 1993, chapter 11).
        """
        many = len(self._members)
        members = np.empty((many, leads.size))
        parts = np.empty((leads.size, self._columns)) if reasons else None
        for start in range(0, leads.size, BATCH_ROWS):
            end = min(start + BATCH_ROWS, leads.size)
            batch = leads if leads.size <= BATCH_ROWS else leads.take(np.arange(start, end))
            leaves = self._leaves(batch)
            sums = np.add.reduceat(self._flat.take(leaves), self._members, axis=1)
            members[:, start:end] = sums.transpose(1, 0, 2).reshape(many, -1)[:, : batch.size]
            if parts is not None:
                by_lead = leaves.transpose(0, 2, 1).reshape(-1, len(self._starts))
                parts[start:end] = self._added(by_lead[: batch.size])
        total = members.sum(axis=0)
        variance = (many - 1) * many * ((members - total / many) ** 2).sum(axis=0)
        return self._offset + total, variance, parts

    def _leaves(self, leads: Encoded) -> IntArray:
        """The place of the leaf in each tree, shape (groups, trees, leads of a group); the last
        group is filled up."""
        numbers = _single(leads, self._pairs)
        codes = leads.codes
        if leads.size == 1:
            asked = self._answers(numbers[0], codes[0]).take(self._asked)
            spelled = asked.view("<u8") * _SPELL >> _TOP
            return np.asarray((self._starts + spelled.astype(np.int64))[None, :, None])
        fill = -leads.size % LEADS_PER_BYTE
        if fill:
            numbers, codes = (
                np.concatenate([table, np.zeros((fill, table.shape[1]), table.dtype)])
                for table in (numbers, codes)
            )
        answers = self._answers(np.ascontiguousarray(numbers.T), np.ascontiguousarray(codes.T))
        bits = np.packbits(answers, bitorder="little").reshape(len(answers), -1).T
        turned = np.ascontiguousarray(bits).take(self._asked, axis=1).view("<u8")
        for by, mask in _TURNS:
            wrong = (turned ^ (turned >> by)) & mask
            turned ^= wrong ^ (wrong << by)
        spelled = turned.view(np.uint8).reshape(*turned.shape, LEADS_PER_BYTE)
        return np.asarray(
            spelled[:, :, : min(leads.size, LEADS_PER_BYTE)] + self._starts[:, None], dtype=np.int64
        )

    def _answers(self, numbers: NDArray[np.float32], codes: IntArray) -> NDArray[np.uint8]:
        """0 or 1 for each question, (questions, n), from numbers (features, n) and codes (words,
        n); one lead goes without n."""
        about_numbers = numbers.take(self._number_asked, axis=0) > _along(
            self._number_border, numbers
        )
        never = np.zeros((1, *numbers.shape[1:]), dtype=np.uint8)
        return np.concatenate(
            [about_numbers.view(np.uint8), self._combinations.answers(codes, numbers), never]
        )

    def _added(self, leaves: IntArray) -> FloatArray:
        """What each column added on the way to the leaves (n, trees), shape (n, columns)."""
        steps = self._changes.take(leaves, axis=0).reshape(len(leaves), -1)
        added = np.zeros((len(leaves), self._columns))
        places, shares, columns, starts = self._steps
        if len(places):
            added[:, columns] = np.add.reduceat(steps.take(places, axis=1) * shares, starts, axis=1)
        return added

    @cached_property
    def _changes(self) -> FloatArray:
        """For each leaf what each answer on the way to it changed in the mean of the leads below,
        (trees * leaves, depth)."""
        trees, leaves = self._values.shape
        means = []
        for level in range(leaves.bit_length()):
            # The first question is the lowest bit, so leads alike in the first `level` answers are
            # alike modulo 2 ** level.
            shape = (trees, leaves >> level, 1 << level)
            total = (self._values * self._sizes).reshape(shape).sum(axis=1)
            mean = total / self._sizes.reshape(shape).sum(axis=1)
            means.append(np.tile(mean, (1, leaves >> level)))
        changes = np.stack([after - before for before, after in pairwise(means)], axis=2)
        return changes.reshape(trees * leaves, -1)

    @cached_property
    def _steps(self) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
        """The steps (tree * depth + level) with their shares, sorted by the column they count for;
        the columns, and where the steps of each begin."""
        asked = self._trees.ravel()
        of = [
            (column, split, 1.0 / len(sources))
            for split, sources in enumerate(self._sources)
            for column in sources
        ]
        order = np.argsort(asked, kind="stable")
        first, last = (
            np.searchsorted(asked[order], [split for _, split, _ in of], side=side)
            for side in ("left", "right")
        )
        places = np.empty(0, dtype=np.int64)
        if of:
            places = np.concatenate([order[a:b] for a, b in zip(first, last, strict=True)])
        owner = np.repeat(np.array([column for column, _, _ in of]), last - first)
        shares = np.repeat(np.array([share for _, _, share in of]), last - first)
        by_column = np.argsort(owner, kind="stable")
        columns, starts = np.unique(owner[by_column], return_index=True)
        return places[by_column], shares[by_column], columns.astype(np.int64), starts


class _Combinations:
    """Words, combinations of words, words with thresholds on numbers: from a lead's codes to the
    answers about their rates."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._feature = np.array([feature for feature, _ in data["conditions"]], dtype=np.int64)
        self._border = borders_of([border for _, border in data["conditions"]])
        spans = np.array(data["spans"], dtype=np.int64)
        # Those that are looked up by place stand before those that are searched for.
        self._order = np.argsort(spans > MAX_DENSE_KEYS, kind="stable")
        self._dense = int((spans <= MAX_DENSE_KEYS).sum())
        never = data["words"] + len(data["conditions"])
        terms = [data["projections"][i] for i in self._order]
        slots = max([1, *(len(term) for term in terms)])
        padded = [[*term, *[[never, 0]] * (slots - len(term))] for term in terms]
        table = np.array(padded, dtype=np.int64).reshape(len(terms), slots, 2)
        self._atoms = table[:, :, 0].T
        self._radices = table[:, :, 1].T
        starts = np.searchsorted(data["keys"], data["offsets"])
        self._keys = np.array(data["keys"], dtype=np.int64)
        self._offsets = np.array(data["offsets"], dtype=np.int64)[self._order]
        self._counts = np.diff([*starts, len(self._keys)])[self._order]
        self._first = starts.astype(np.int64)[self._order]
        self._wins, self._sizes = (
            np.array(data[name], dtype=np.float64) for name in ("wins", "sizes")
        )
        # For each possible key of a dense combination its place among those seen; the place after
        # the last one is "never seen".
        dense = spans[self._order[: self._dense]]
        self._dense_start = np.cumsum([0, *dense])[:-1].astype(np.int64)
        self._places = np.repeat(self._counts[: self._dense], dense)
        for combination, start in enumerate(self._dense_start):
            first = self._first[combination]
            count = self._counts[combination]
            keys = self._keys[first : first + count] - self._offsets[combination]
            self._places[start + keys] = np.arange(count)

    def prepare(self, questions: Sequence[tuple[Any, ...]]) -> None:
        """Answer every question (combination, kind, prior, scale, total, border) for every key
        seen, and for one never seen."""
        moved = np.argsort(self._order)
        self._asked = moved[np.array([question[0] for question in questions], dtype=np.int64)]
        lengths = self._counts[self._asked] + 1
        self._answer_start = np.cumsum([0, *lengths])[:-1].astype(np.int64)
        place = np.arange(lengths.sum()) - np.repeat(self._answer_start, lengths)
        unseen = place == np.repeat(lengths - 1, lengths)
        row = np.where(unseen, 0, np.repeat(self._first[self._asked], lengths) + place)
        wins, sizes = (np.where(unseen, 0.0, counted[row]) for counted in (self._wins, self._sizes))
        kind, prior, scale, total, border = (
            np.repeat(np.array([question[i] for question in questions], dtype=np.float64), lengths)
            for i in range(1, 6)
        )
        rate = np.where(kind == 0, (wins + prior) / (sizes + 1), (sizes + prior) / (total + 1))
        self._answers = (scale * rate > border).astype(np.uint8)

    def answers(self, codes: IntArray, numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
        """0 or 1 for each question, (questions, n), from codes (words, n) and numbers (features,
        n); one lead goes without n."""
        if not len(self._asked):
            return np.empty((0, *codes.shape[1:]), dtype=np.uint8)
        conditions = numbers.take(self._feature, axis=0) > _along(self._border, numbers)
        atoms = np.concatenate([codes, conditions, np.zeros((1, *codes.shape[1:]), dtype=np.int64)])
        radices = self._radices if codes.ndim == 1 else self._radices[:, :, None]
        keys = (atoms.take(self._atoms, axis=0) * radices).sum(axis=0)
        places = self._places.take(_along(self._dense_start, keys) + keys[: self._dense])
        if self._dense < len(keys):
            places = np.concatenate(
                [places, [self._sought(i, keys[i]) for i in range(self._dense, len(keys))]]
            )
        where = _along(self._answer_start, keys) + places.take(self._asked, axis=0)
        return np.asarray(self._answers.take(where), dtype=np.uint8)

    def _sought(self, combination: int, keys: IntArray) -> IntArray:
        """The places of keys of a combination among those seen."""
        first = self._first[combination]
        seen = self._keys[first : first + self._counts[combination]]
        wanted = keys + self._offsets[combination]
        found = np.minimum(np.searchsorted(seen, wanted), len(seen) - 1)
        return np.asarray(np.where(seen[found] == wanted, found, len(seen)), dtype=np.int64)


def _read(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise ArtifactError(f"the trees of catboost are no JSON ({error}). Train again.") from None


def _single(leads: Encoded, pairs: IntArray) -> NDArray[np.float32]:
    """`float_features` as float32."""
    raw = np.concatenate(
        [leads.numbers, leads.codes[:, pairs[:, 0]] == pairs[:, 1], leads.rules[:, None]], axis=1
    )
    return np.asarray(np.minimum(np.maximum(raw, -LARGEST), LARGEST), dtype=np.float32)


def _table(pairs: Sequence[Sequence[int]]) -> IntArray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def borders_of(values: Sequence[float]) -> NDArray[np.float32]:
    """The largest float32 that is not above each border: a float32 is above the one just if it is
    above the other."""
    exact = np.array(values, dtype=np.float64)
    near = exact.astype(np.float32)
    with np.errstate(over="ignore"):  # below the smallest there is minus infinity
        below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > exact, below, near).astype(np.float32)


def _along(values: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """A value a row of `like`, whether `like` has columns or not."""
    return values if like.ndim == 1 else values[:, None]
