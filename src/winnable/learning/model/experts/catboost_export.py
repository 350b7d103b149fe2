"""From CatBoost's export to data: what a trained CatBoost model asks, as
`catboost_trees.CatBoostTrees` reads it.

CatBoost exports the counts behind its rates under hashed keys. They are counted again here, on the
leads that the model was trained on, under keys made of the encoding's codes; the answers are the
same as CatBoost's own (tested).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.learning.model.experts.catboost_trees import float_features
from winnable.learning.model.experts.encoding import Encoded


def data_of(
    exported: Mapping[str, Any],
    leads: Encoded,
    won: FloatArray,
    *,
    pairs: Sequence[tuple[int, int]],
    rated: IntArray,
    level_counts: tuple[int, ...],
) -> dict[str, Any]:
    """A CatBoost model's JSON export as the data of `CatBoostTrees`; `leads` and `won` are what it
    was trained on.

    `rated` are the columns of words that it was given as categories, in that order; `pairs` those
    it was given as indicators.
    """
    return _Export(exported, leads, won, pairs=pairs, rated=rated, level_counts=level_counts).data()


class _Export:
    """Reads CatBoost's export: numbers its questions as CatBoost does, and counts the combinations
    again on the leads."""

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
        self._leads = leads
        self._won = won
        self._pairs = pairs
        self._rated = rated
        self._radices = level_counts
        self._numbers = float_features(leads, pairs)
        self._conditions: dict[tuple[int, float], int] = {}
        self._projections: dict[str, int] = {}
        self._terms: list[list[tuple[int, int]]] = []
        self._spans: list[int] = []
        self._columns: list[list[int]] = []

    def data(self) -> dict[str, Any]:
        info = self._exported["features_info"]
        questions = [
            (feature["feature_index"], border)
            for feature in info["float_features"]
            for border in feature["borders"] or []
        ]
        rates = []
        for i, rate in enumerate(info.get("ctrs") or []):
            questions += [(self._numbers.shape[1] + i, border) for border in rate["borders"]]
            rates.append(self._rate(rate))
        words = self._leads.codes.shape[1]
        terms = [
            [(atom if atom >= 0 else words - 1 - atom, radix) for atom, radix in term]
            for term in self._terms
        ]
        offsets = [0, *np.cumsum(self._spans).tolist()][: len(terms)]
        return {
            "indicators": [list(pair) for pair in self._pairs],
            "words": words,
            "columns": self._leads.numbers.shape[1] + words + 1,
            "conditions": [list(condition) for condition in self._conditions],
            "projections": [[list(pair) for pair in term] for term in terms],
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
        terms: list[tuple[int, int]] = []
        columns: list[int] = []
        span = 1
        for element in elements:
            if element["combination_element"] == "cat_feature_value":
                atom = int(self._rated[element["cat_feature_index"]])
                terms.append((atom, span))
                span *= int(self._radices[atom])
                columns.append(self._leads.numbers.shape[1] + atom)
            else:
                condition = (int(element["float_feature_index"]), float(element["border"]))
                # Conditions stand behind the words; below zero until it is known how many there
                # are.
                number = self._conditions.setdefault(condition, len(self._conditions))
                terms.append((-1 - number, span))
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
        return numbers + [
            self._columns[self._projections[json.dumps(rate["elements"], sort_keys=True)]]
            for rate in rates
        ]

    def _counted(
        self, terms: Sequence[Sequence[tuple[int, int]]], offsets: Sequence[int]
    ) -> dict[str, list[int]]:
        atoms = [*self._leads.codes.T]
        atoms += [
            (self._numbers[:, feature] > border).astype(np.int64)
            for feature, border in self._conditions
        ]
        keys: list[int] = []
        wins: list[int] = []
        sizes: list[int] = []
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
        never = len(used)
        splits: list[list[int]] = []
        values: list[list[float]] = []
        sizes: list[list[float]] = []
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
    never = sum(len(model["splits"]) for model in models)
    span = 0
    for model in models:
        conditions, projections, rates, splits = (
            len(out[name]) for name in ("conditions", "projections", "rates", "splits")
        )
        out["conditions"] += model["conditions"]
        out["projections"] += [
            [[atom + conditions if atom >= words else atom, radix] for atom, radix in terms]
            for terms in model["projections"]
        ]
        out["offsets"] += [span + offset for offset in model["offsets"]]
        out["keys"] += [span + key for key in model["keys"]]
        out["rates"] += [[rate[0] + projections, *rate[1:]] for rate in model["rates"]]
        out["splits"] += [
            [feature + rates if feature >= floats else feature, border]
            for feature, border in model["splits"]
        ]
        out["members"].append(len(out["trees"]))
        for tree in model["trees"]:
            moved = [split + splits if split < len(model["splits"]) else never for split in tree]
            out["trees"].append(moved + [never] * (depth - len(tree)))
        pad = [0.0] * (2**depth - len(model["values"][0]))
        out["values"] += [
            [value / len(models) for value in values] + pad for values in model["values"]
        ]
        out["sizes_of_leaves"] += [list(sizes) + pad for sizes in model["sizes_of_leaves"]]
        for name in ("wins", "sizes", "spans"):
            out[name] += model[name]
        out["sources"] += model["sources"][floats:]
        span += sum(model["spans"])
    return out
