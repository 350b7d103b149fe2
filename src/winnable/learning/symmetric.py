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
from typing import Any

import numpy as np

from winnable.definition.facts import FloatArray, IntArray
from winnable.learning.encoding import Encoded

BATCH = 2048
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
        self._condition_feature = np.array([feature for feature, _ in data["conditions"]], dtype=np.int64)
        self._condition_border = np.array([border for _, border in data["conditions"]])[:, None]
        self._radix = np.zeros((len(data["projections"]), data["words"] + len(data["conditions"])), dtype=np.int64)
        for row, terms in enumerate(data["projections"]):
            for atom, radix in terms:
                self._radix[row, atom] = radix
        self._offsets = np.array(data["offsets"], dtype=np.int64)[:, None]
        self._keys = np.array(data["keys"], dtype=np.int64)
        # One place more than keys, for combinations that were never seen: no wins in no leads.
        self._wins, self._sizes = (np.array([*data[name], 0], dtype=np.float64) for name in ("wins", "sizes"))
        self._rate_projection, self._rate_kind = (np.array([rate[i] for rate in data["rates"]], dtype=np.int64) for i in (0, 1))
        self._rate_prior, self._rate_scale, self._rate_total = (
            np.array([rate[i] for rate in data["rates"]], dtype=np.float64)[:, None] for i in (2, 3, 4)
        )
        self._split_feature = np.array([feature for feature, _ in data["splits"]], dtype=np.int64)
        self._split_border = np.array([border for _, border in data["splits"]])[:, None]
        self._tree_splits = np.array(data["trees"], dtype=np.int64).T
        self._values = np.array(data["values"], dtype=np.float64)
        self._starts = (np.arange(len(self._values)) * self._values.shape[1])[:, None]
        self._flat = self._values.ravel()
        self._changes, roots = _ways(self._values, np.array(data["sizes_of_leaves"], dtype=np.float64))
        self._offset = float(data["base"])
        self.base = self._offset + float(roots.sum())
        self._members = np.array(data["members"], dtype=np.int64)
        self._asked = np.ascontiguousarray(self._tree_splits.T)
        # Which columns a question is about; the last row is the question that shallower trees ask to fill up, and nobody's.
        self._shares = np.zeros((len(data["splits"]) + 1, data["columns"]))
        for split, feature in enumerate(self._split_feature):
            sources = data["sources"][feature]
            for source in sources:
                self._shares[split, source] += 1.0 / len(sources)

    def opinion(self, leads: Encoded) -> tuple[FloatArray, FloatArray]:
        """Log-odds, shape (n,), and their variance had other leads been learned from, by the jackknife over the averaged models.

        Each model left out one of the parts that the leads were cut into; Efron and Tibshirani 1993, chapter 11.
        """
        parts = [np.add.reduceat(self._flat[self._leaves(part)], self._members, axis=0) for part in _batches(leads)]
        members = np.hstack(parts) if parts else np.empty((1, 0))
        return self._offset + members.sum(axis=0), (len(members) - 1) * (members * len(members)).var(axis=0)

    def contributions(self, leads: Encoded, size: int) -> FloatArray:
        """What each of `size` columns added to `base`, shape (n, size)."""
        out = []
        for part in _batches(leads, BATCH // 16):
            changes = self._changes[self._leaves(part)]
            places = self._asked[:, None, :] + (len(self._shares) * np.arange(part.size))[None, :, None]
            by_split = np.bincount(places.ravel(), changes.ravel(), minlength=part.size * len(self._shares))
            out.append(by_split.reshape(part.size, -1) @ self._shares)
        return np.concatenate(out) if out else np.empty((0, size))

    def _leaves(self, leads: Encoded) -> IntArray:
        """The place of the leaf in each tree, shape (trees, n)."""
        features = self._features(leads)
        answers = (features[self._split_feature] > self._split_border).astype(np.uint8)
        answers = np.vstack([answers, np.zeros((1, leads.size), dtype=np.uint8)])
        leaf = answers[self._tree_splits[0]]
        for level in range(1, len(self._tree_splits)):
            leaf = leaf | (answers[self._tree_splits[level]] << level)
        return np.asarray(self._starts + leaf, dtype=np.int64)

    def _features(self, leads: Encoded) -> FloatArray:
        """Numbers and rates, shape (features, n)."""
        numbers = float_features(leads, self._pairs).T
        if not len(self._offsets):
            return numbers
        conditions = numbers[self._condition_feature] > self._condition_border
        keys = self._offsets + self._radix @ np.vstack([leads.codes.T, conditions.astype(np.int64)])
        places = np.searchsorted(self._keys, keys)
        places = np.where(self._keys[np.minimum(places, len(self._keys) - 1)] == keys, places, len(self._keys))
        places = places[self._rate_projection]
        sizes = self._sizes[places]
        rate = self._rate_kind[:, None] == 0
        above = np.where(rate, self._wins[places], sizes) + self._rate_prior
        below = np.where(rate, sizes, self._rate_total) + 1.0
        return np.vstack([numbers, self._rate_scale * above / below])


def _batches(leads: Encoded, most: int = BATCH) -> list[Encoded]:
    if leads.size <= most:
        return [leads] if leads.size else []
    return [leads.take(np.arange(at, min(at + most, leads.size))) for at in range(0, leads.size, most)]


def _ways(values: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each leaf what each level's answer changed in the mean below, (trees * leaves, depth), and each tree's mean (trees,)."""
    trees, leaves = values.shape
    depth = leaves.bit_length() - 1
    sizes = sizes + 1e-9
    means = []
    for level in range(depth + 1):
        # The first question is the lowest bit, so leads alike in the first `level` answers are alike modulo 2 ** level.
        shape = (trees, leaves >> level, 1 << level)
        total = (values * sizes).reshape(shape).sum(axis=1) / sizes.reshape(shape).sum(axis=1)
        means.append(np.tile(total, (1, leaves >> level)))
    stacked = np.stack([after - before for before, after in zip(means, means[1:], strict=False)] or [np.zeros_like(values)], axis=2)
    return stacked.reshape(trees * leaves, -1), means[0][:, 0]


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
        for name in ("wins", "sizes"):
            out[name] += model[name]
        out["sources"] += model["sources"][floats:]
        span = 1 + max([span, *out["keys"]])
    return out
