"""Model diff: what changed since the last model, in data, columns, blend weights, metrics and
definition, as values and in sentences.

Both artifacts hold what is needed, so that any two can be compared. Which of the two models is
better is decided in `champion_challenger`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from winnable.definition.review.diff import Change, changes
from winnable.learning.artifacts.artifact import Artifact

MIN_WEIGHT_CHANGE = 0.01
"""Of the blend: a smaller change of an expert's weight is not mentioned."""

METRICS = {
    "log_loss": ("log loss", "{:.4f}"),
    "skill": ("skill", "{:+.1%}"),
    "auc": ("AUC", "{:.3f}"),
}
"""Metrics that are compared: their name in words, and how they are written."""

EXPERT_NAMES = {"rules": "scorecard"}
"""What people call an expert of the blend, where that is not its name."""

MAX_PLACES_SHOWN = 3
"""Places in the definition that are named; of others only the number."""


@dataclass(frozen=True)
class Pair:
    """A number before and now; None where a model does not have it."""

    before: float | None
    now: float | None


@dataclass(frozen=True)
class ModelDiff:
    """What is different in a new model, compared with version `since`.

    `until`: the newest record of each model's data, None without dates. `columns_in` and
    `columns_out`: columns used now, or no longer; `excluded` and `cleared`: columns excluded now,
    or no longer, for possible target leakage. `weights`: each expert's blend weight, 0 to 1.
    `measured`: the metrics of each model on its own holdout, which are not the same leads.
    `definition`: where the two definitions differ.
    """

    since: str
    until: tuple[datetime | None, datetime | None]
    leads: Pair
    wins: Pair
    mode: tuple[str, str]
    columns_in: tuple[str, ...]
    columns_out: tuple[str, ...]
    excluded: tuple[str, ...]
    cleared: tuple[str, ...]
    weights: Mapping[str, Pair]
    measured: Mapping[str, Pair]
    definition: tuple[Change, ...]

    @classmethod
    def between(cls, old: Artifact, new: Artifact, since: str) -> Self:
        """What changed from the one to the other; `since` is the version of the older."""
        old_card = old.spec.card
        new_card = new.spec.card
        old_columns = _columns(old)
        new_columns = _columns(new)
        old_excluded = list(old_card.left_out or ())
        new_excluded = list(new_card.left_out or ())
        old_metrics = old_card.measured.get("model", {})
        new_metrics = new_card.measured.get("model", {})
        old_weights = old.spec.model.weight_shares
        new_weights = new.spec.model.weight_shares
        return cls(
            since=since,
            until=(old_card.known_until, new_card.known_until),
            leads=Pair(old_card.leads, new_card.leads),
            wins=Pair(old_card.wins, new_card.wins),
            mode=(old.spec.model.mode, new.spec.model.mode),
            columns_in=_only(new_columns, old_columns),
            columns_out=_only(old_columns, new_columns),
            excluded=_only(new_excluded, old_excluded),
            cleared=_only(old_excluded, new_excluded),
            weights={
                name: Pair(old_weights.get(name, 0.0), new_weights.get(name, 0.0))
                for name in {**new_weights, **old_weights}
            },
            measured={
                name: Pair(old_metrics.get(name), new_metrics.get(name))
                for name in METRICS
                if name in old_metrics or name in new_metrics
            },
            definition=changes(old.spec.definition, new.spec.definition),
        )

    @property
    def days(self) -> int | None:
        """How many days the new data go on after the old ones; None where either has no dates."""
        before, now = self.until
        return None if before is None or now is None else (now - before).days

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything that changed, in sentences; what stayed the same is left out."""
        lines = (
            self._data(),
            self._columns(),
            self._blend(),
            self._metrics(),
            self._definition(),
        )
        return tuple(line for line in lines if line)

    def _data(self) -> str:
        parts = [f"{_moved(self.leads, 'leads')}, {_moved(self.wins, 'wins')}"]
        if self.days:
            direction = "later" if self.days > 0 else "earlier"
            parts.append(
                f"data until {self.until[1]:%Y-%m-%d}, {abs(self.days):,} days {direction}"
            )
        return f"{'; '.join(parts)}."

    def _columns(self) -> str:
        parts = [
            f"{what}: {', '.join(names)}"
            for what, names in (
                ("added", self.columns_in),
                ("removed", self.columns_out),
                ("excluded now (possible target leakage)", self.excluded),
                ("no longer excluded", self.cleared),
            )
            if names
        ]
        return f"Columns {'; '.join(parts)}." if parts else ""

    def _blend(self) -> str:
        parts = []
        if self.mode[0] != self.mode[1]:
            parts.append(f"Model type: {self.mode[1]}, before {self.mode[0]}.")
        moved = []
        for name, weight in self.weights.items():
            before = weight.before or 0.0
            now = weight.now or 0.0
            if abs(now - before) >= MIN_WEIGHT_CHANGE:
                expert = EXPERT_NAMES.get(name, name)
                moved.append(f"{expert} {100 * before:.0f} → {100 * now:.0f}%")
        if moved:
            parts.append(f"Blend weights: {', '.join(moved)}.")
        return " ".join(parts)

    def _metrics(self) -> str:
        parts = []
        for name, pair in self.measured.items():
            label, form = METRICS[name]
            parts.append(f"{label} {_number(form, pair.before)} → {_number(form, pair.now)}")
        return f"Each on its own holdout: {', '.join(parts)}." if parts else ""

    def _definition(self) -> str:
        if not self.definition:
            return ""
        places = list(dict.fromkeys(change.where for change in self.definition))
        hidden = len(places) - MAX_PLACES_SHOWN
        more = f" and {hidden} more" if hidden > 0 else ""
        return f"The definition changed: {'; '.join(places[:MAX_PLACES_SHOWN])}{more}."


def _columns(artifact: Artifact) -> list[str]:
    spec = artifact.spec
    return list(spec.plan.learned) if spec.model.mode != "rules" else []


def _only(these: list[str], those: list[str]) -> tuple[str, ...]:
    return tuple(name for name in these if name not in set(those))


def _moved(pair: Pair, what: str) -> str:
    more = (pair.now or 0) - (pair.before or 0)
    return f"{pair.now:,} {what} ({more:+,})" if more else f"{pair.now:,} {what} as before"


def _number(form: str, value: float | None) -> str:
    return "–" if value is None else form.format(value)
