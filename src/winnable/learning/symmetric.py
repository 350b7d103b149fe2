"""Symmetric trees: CatBoost models as plain data, evaluated by numpy.

CatBoost's trees ask one question a level, so that a lead's leaf is the number its answers spell in binary. Besides numbers they ask
for the win rate or the frequency of words, of combinations of words, and of words together with a threshold on a number, as counted
on the training leads (Prokhorenkova et al. 2018). Those counts are kept here under one integer key a combination, in one sorted
array, so that all of a lead's combinations are looked up at once.

The reasons are the steps of the way to the leaf, as in `trees`: what each answer changed in the mean of the leads below. A question
about a combination is shared equally by the columns in it.
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
    """One or several CatBoost models, averaged, from the text that `data_of` and `merged` made; raw scores are log-odds."""

    def __init__(self, text: str) -> None:
        data = json.loads(text)
        self._pairs: list[tuple[int, int]] = [(column, code) for column, code in data["indicators"]]
        self._combinations = _Combinations(data)
        self._ask(data)
        values = np.array(data["values"], dtype=np.float64)
        self._flat = values.ravel()
        self._starts = (np.arange(len(values)) * values.shape[1])[:, None]
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
        self._number_border = np.array([data["splits"][i][1] for i in numbers])[:, None]
        questions = [(*data["rates"][data["splits"][i][0] - floats], data["splits"][i][1]) for i in rates]
        self._combinations.prepare(questions)
        moved = np.empty(len(data["splits"]) + 1, dtype=np.int64)
        moved[[*numbers, *rates, len(data["splits"])]] = np.arange(len(moved))
        self._levels = moved[np.array(data["trees"], dtype=np.int64)].T

    def logit(self, leads: Encoded, *, reasons: bool = False) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Log-odds (n,), their variance (n,), and if asked what each column added to `base` (n, columns).

        The variance is that of learning from other leads, by the jackknife over the averaged models, each of which left out one of
        the parts that the leads were cut into (Efron and Tibshirani 1993, chapter 11).
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
        """The place of the leaf in each tree, shape (trees, n)."""
        numbers = float_features(leads, self._pairs).T
        about_numbers = numbers[self._number_asked] > self._number_border
        never = np.zeros((1, leads.size), dtype=np.uint8)
        answers = np.vstack([about_numbers.view(np.uint8), self._combinations.answers(leads.codes.T, numbers), never])
        leaf = answers[self._levels[0]]
        for level in range(1, len(self._levels)):
            leaf |= answers[self._levels[level]] << level
        return np.asarray(self._starts + leaf, dtype=np.int64)


class _Combinations:
    """Words, combinations of words, and words with thresholds on numbers: from a lead's codes to the answers about their rates."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._feature = np.array([feature for feature, _ in data["conditions"]], dtype=np.int64)
        self._border = np.array([border for _, border in data["conditions"]])[:, None]
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
        self._dense_start = np.cumsum([0, *spans[self._dense]])[:-1].astype(np.int64)[:, None]
        self._places = np.repeat(self._counts[self._dense], spans[self._dense])
        for start, combination in zip(self._dense_start[:, 0], self._dense, strict=True):
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
        self._answer_start = np.cumsum([0, *(len(table) for table in tables)])[:-1].astype(np.int64)[:, None]

    def answers(self, codes: IntArray, numbers: FloatArray) -> NDArray[np.uint8]:
        """0 or 1 for each question, shape (questions, n), from codes (words, n) and numbers (features, n)."""
        if not len(self._asked):
            return np.empty((0, codes.shape[1]), dtype=np.uint8)
        conditions = numbers[self._feature] > self._border
        atoms = np.vstack([codes, conditions, np.zeros((1, codes.shape[1]), dtype=np.int64)])
        keys = atoms[self._atoms[0]] * self._radices[0][:, None]
        for atom, radix in zip(self._atoms[1:], self._radices[1:], strict=True):
            keys += atoms[atom] * radix[:, None]
        places = np.empty_like(keys)
        places[self._dense] = self._places[self._dense_start + keys[self._dense]]
        for combination in self._sparse:
            seen = self._keys[self._first[combination] : self._first[combination] + self._counts[combination]]
            wanted = keys[combination] + self._offsets[combination]
            found = np.minimum(np.searchsorted(seen, wanted), len(seen) - 1)
            places[combination] = np.where(seen[found] == wanted, found, len(seen))
        return np.asarray(self._answers[self._answer_start + places[self._asked]], dtype=np.uint8)


def _shares(data: Mapping[str, Any]) -> FloatArray:
    """How much of each question is about each column, (questions + 1, columns); the one that is always answered no is about none."""
    shares = np.zeros((len(data["splits"]) + 1, data["columns"]))
    for split, (feature, _) in enumerate(data["splits"]):
        sources = data["sources"][feature]
        for source in sources:
            shares[split, source] += 1.0 / len(sources)
    return shares


def _parts(changes: FloatArray, trees: IntArray, shares: FloatArray) -> NDArray[np.float32]:
    """What each column adds on the way to each leaf, (trees * leaves, columns); single precision, `Scorer` makes the sum exact."""
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


def data_of(
    exported: Mapping[str, Any],
    leads: Encoded,
    won: FloatArray,
    *,
    pairs: Sequence[tuple[int, int]],
    rated: IntArray,
    level_counts: tuple[int, ...],
) -> dict[str, Any]:
    """A CatBoost model's JSON export as the data of `SymmetricTrees`; `leads` and `won` are what it was trained on.

    `rated` are the columns of words that it was given as categories, in that order; `pairs` those it was given as indicators.
    """
    return _Export(exported, leads, won, pairs=pairs, rated=rated, level_counts=level_counts).data()


class _Export:
    """Reads CatBoost's export: numbers its questions as CatBoost does, and counts the combinations again on the training leads."""

    def __init__(
        self,
        exported: Mapping[str, Any],
        leads: Encoded,
        won: FloatArray,
        *,
        pairs: Sequence[tuple[int, int]],
        rated: IntArray,
        level_counts: tuple[int, ...],
    ) -> None:
        self._exported = exported
        self._leads, self._won, self._pairs, self._rated, self._radices = leads, won, pairs, rated, level_counts
        self._numbers = float_features(leads, pairs)
        self._conditions: dict[tuple[int, float], int] = {}
        self._projections: dict[str, int] = {}
        self._terms: list[list[tuple[int, int]]] = []
        self._spans: list[int] = []
        self._columns: list[list[int]] = []

    def data(self) -> dict[str, Any]:
        info = self._exported["features_info"]
        questions = [(f["feature_index"], border) for f in info["float_features"] for border in f["borders"] or []]
        rates = []
        for i, rate in enumerate(info.get("ctrs") or []):
            questions += [(self._numbers.shape[1] + i, border) for border in rate["borders"]]
            rates.append(self._rate(rate))
        words = self._leads.codes.shape[1]
        terms = [[(atom if atom >= 0 else words - 1 - atom, radix) for atom, radix in term] for term in self._terms]
        offsets = [0, *np.cumsum(self._spans).tolist()][: len(terms)]
        return {
            "indicators": [list(pair) for pair in self._pairs],
            "words": words,
            "columns": self._leads.numbers.shape[1] + words + 1,
            "conditions": [list(condition) for condition in self._conditions],
            "projections": [[list(t) for t in term] for term in terms],
            "offsets": offsets,
            "spans": self._spans,
            **self._counted(terms, offsets),
            "rates": rates,
            **self._trees(questions),
            "sources": self._sources(info.get("ctrs") or []),
        }

    def _rate(self, rate: Mapping[str, Any]) -> list[float]:
        name = json.dumps(rate["elements"], sort_keys=True)
        if name not in self._projections:
            self._projections[name] = len(self._terms)
            self._add_projection(rate["elements"])
        kind = 0 if rate["ctr_type"] == "Borders" else 1
        total = self._exported["ctr_data"][rate["identifier"]]["counter_denominator"]
        return [self._projections[name], kind, rate["prior_numerator"], rate["scale"], total]

    def _add_projection(self, elements: Sequence[Mapping[str, Any]]) -> None:
        terms, span, columns = [], 1, []
        for element in elements:
            if element["combination_element"] == "cat_feature_value":
                atom = int(self._rated[element["cat_feature_index"]])
                terms.append((atom, span))
                span *= int(self._radices[atom])
                columns.append(self._leads.numbers.shape[1] + atom)
            else:
                condition = (int(element["float_feature_index"]), float(element["border"]))
                # Conditions stand behind the words; below zero until it is known how many there are.
                terms.append((-1 - self._conditions.setdefault(condition, len(self._conditions)), span))
                span *= 2
                columns.append(self._source_of_number(condition[0]))
        self._terms.append(terms)
        self._spans.append(span)
        self._columns.append(columns)

    def _source_of_number(self, feature: int) -> int:
        many: int = self._leads.numbers.shape[1]
        if feature < many:
            return feature
        if feature < many + len(self._pairs):
            return many + self._pairs[feature - many][0]
        return many + len(self._radices)

    def _sources(self, rates: Sequence[Mapping[str, Any]]) -> list[list[int]]:
        numbers = [[self._source_of_number(feature)] for feature in range(self._numbers.shape[1])]
        return numbers + [self._columns[self._projections[json.dumps(rate["elements"], sort_keys=True)]] for rate in rates]

    def _counted(self, terms: Sequence[Sequence[tuple[int, int]]], offsets: Sequence[int]) -> dict[str, list[int]]:
        atoms = [*self._leads.codes.T]
        atoms += [(self._numbers[:, feature] > border).astype(np.int64) for feature, border in self._conditions]
        keys, wins, sizes = [], [], []
        for term, offset in zip(terms, offsets, strict=True):
            key = np.asarray(sum(atoms[atom] * radix for atom, radix in term))
            known, places = np.unique(key, return_inverse=True)
            keys += (offset + known).tolist()
            wins += np.bincount(places, self._won).astype(int).tolist()
            sizes += np.bincount(places).tolist()
        return {"keys": keys, "wins": wins, "sizes": sizes}

    def _trees(self, questions: Sequence[tuple[int, float]]) -> dict[str, Any]:
        trees = self._exported["oblivious_trees"]
        depth = max([1, *(len(tree["splits"] or []) for tree in trees)])
        used = sorted({split["split_index"] for tree in trees for split in tree["splits"] or []})
        number = {question: i for i, question in enumerate(used)}
        never, splits, values, sizes = len(used), [], [], []
        for tree in trees:
            asked = [number[split["split_index"]] for split in tree["splits"] or []]
            splits.append(asked + [never] * (depth - len(asked)))
            pad = [0.0] * (2**depth - len(tree["leaf_values"]))
            values.append(tree["leaf_values"] + pad)
            sizes.append(tree["leaf_weights"] + pad)
        scale, (bias,) = self._exported["scale_and_bias"]
        return {
            "splits": [list(questions[i]) for i in used],
            "trees": splits,
            "values": np.round(scale * np.array(values), 9).tolist(),
            "sizes_of_leaves": sizes,
            "base": bias,
            "members": [0],
        }


def merged(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The data of several models as one that answers their mean."""
    first = models[0]
    floats = min(len(model["sources"]) - len(model["rates"]) for model in models)
    depth = max(len(model["trees"][0]) for model in models)
    words = first["words"]
    out: dict[str, Any] = {name: [] for name in first if isinstance(first[name], list)}
    out |= {name: first[name] for name in ("indicators", "words", "columns")}
    out["base"] = sum(model["base"] for model in models) / len(models)
    out["sources"] = list(first["sources"][:floats])
    never, span = sum(len(model["splits"]) for model in models), 0
    for model in models:
        conditions, projections, rates, splits = (len(out[name]) for name in ("conditions", "projections", "rates", "splits"))
        out["conditions"] += model["conditions"]
        out["projections"] += [
            [[atom + conditions if atom >= words else atom, radix] for atom, radix in terms] for terms in model["projections"]
        ]
        out["offsets"] += [span + offset for offset in model["offsets"]]
        out["keys"] += [span + key for key in model["keys"]]
        out["rates"] += [[rate[0] + projections, *rate[1:]] for rate in model["rates"]]
        out["splits"] += [[feature + rates if feature >= floats else feature, border] for feature, border in model["splits"]]
        out["members"].append(len(out["trees"]))
        for tree in model["trees"]:
            moved = [split + splits if split < len(model["splits"]) else never for split in tree]
            out["trees"].append(moved + [never] * (depth - len(tree)))
        pad = [0.0] * (2**depth - len(model["values"][0]))
        out["values"] += [[value / len(models) for value in values] + pad for values in model["values"]]
        out["sizes_of_leaves"] += [list(sizes) + pad for sizes in model["sizes_of_leaves"]]
        for name in ("wins", "sizes", "spans"):
            out[name] += model[name]
        out["sources"] += model["sources"][floats:]
        span += sum(model["spans"])
    return out
