"""What changed since the last model: data, columns, experts, measures and definition, as values and
in sentences.

Both models tell it themselves, so that it can be said of any two artifacts. Which of them is better
is `contest`'s question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from winnable.core.values import moment
from winnable.data.features.plan import FeaturePlan
from winnable.definition.load import definition_from
from winnable.definition.review.diff import Change
from winnable.definition.review.diff import changes as changes_of
from winnable.learning.artifacts.artifact import Artifact

SEEN_SHARE = 0.01  # of the say: a smaller shift between experts is not told
MEASURES = ("log_loss", "skill", "auc")


@dataclass(frozen=True)
class Pair:
    """A number before and now; None where a model does not tell it."""

    before: float | None
    now: float | None


@dataclass(frozen=True)
class ModelDiff:
    """What is different in a new model, compared with version `since`.

    `until`: the newest record of each model's data, None without dates. `columns_in` and
    `columns_out`: what is learned from now or no more; `kept_out` and `cleared`: what is kept out
    now, or no more, because it may know the outcome. `shares`: each expert's share of the say, 0 to
    1. `measured`: each model on the leads that it was judged on itself, which are not the same
    leads. `definition`: where the two definitions differ.
    """

    since: str
    until: tuple[datetime | None, datetime | None]
    leads: Pair
    wins: Pair
    mode: tuple[str, str]
    columns_in: tuple[str, ...]
    columns_out: tuple[str, ...]
    kept_out: tuple[str, ...]
    cleared: tuple[str, ...]
    shares: Mapping[str, Pair]
    measured: Mapping[str, Pair]
    definition: tuple[Change, ...]

    @classmethod
    def between(cls, old: Artifact, new: Artifact, since: str) -> Self:
        """What changed from the one to the other; `since` is the version of the older."""
        cards = (old.spec["card"], new.spec["card"])
        learned, left_out = (
            (_columns(old), _columns(new)),
            [card.get("left_out", []) for card in cards],
        )
        judged = [card["measured"].get("model", {}) for card in cards]
        shares = [_shares(artifact) for artifact in (old, new)]
        agreed = [
            definition_from(artifact.spec["definition"], "the model's definition")
            for artifact in (old, new)
        ]
        return cls(
            since=since,
            until=(
                moment(str(cards[0]["known_until"] or "")),
                moment(str(cards[1]["known_until"] or "")),
            ),
            leads=Pair(cards[0]["leads"], cards[1]["leads"]),
            wins=Pair(cards[0]["wins"], cards[1]["wins"]),
            mode=(str(old.spec["model"]["mode"]), str(new.spec["model"]["mode"])),
            columns_in=_only(learned[1], learned[0]),
            columns_out=_only(learned[0], learned[1]),
            kept_out=_only(left_out[1], left_out[0]),
            cleared=_only(left_out[0], left_out[1]),
            shares={
                name: Pair(shares[0].get(name, 0.0), shares[1].get(name, 0.0))
                for name in {**shares[1], **shares[0]}
            },
            measured={
                name: Pair(judged[0].get(name), judged[1].get(name))
                for name in MEASURES
                if any(name in each for each in judged)
            },
            definition=changes_of(*agreed),
        )

    @property
    def days(self) -> int | None:
        """How many days the new data go on after the old ones; None where either has no dates."""
        before, now = self.until
        return None if before is None or now is None else (now - before).days

    @property
    def told(self) -> tuple[str, ...]:
        """Everything that changed, in sentences; what stayed the same is not told."""
        return tuple(
            filter(
                None,
                (
                    self._data(),
                    self._columns(),
                    self._experts(),
                    self._measures(),
                    self._definition(),
                ),
            )
        )

    def _data(self) -> str:
        told = [f"{_moved(self.leads, 'leads')}, {_moved(self.wins, 'wins')}"]
        if self.days:
            told.append(
                f"data until {self.until[1]:%Y-%m-%d}, {abs(self.days):,} days"
                f" {'later' if self.days > 0 else 'earlier'}"
            )
        return f"{'; '.join(told)}."

    def _columns(self) -> str:
        told = [
            f"{says} {', '.join(names)}"
            for says, names in (
                ("learned from now:", self.columns_in),
                ("no longer learned from:", self.columns_out),
                ("kept out now, it may know the outcome:", self.kept_out),
                ("no longer kept out:", self.cleared),
            )
            if names
        ]
        return f"Columns {'; '.join(told)}." if told else ""

    def _experts(self) -> str:
        mode = (
            f"Answers by {self.mode[1]}, before by {self.mode[0]}. "
            if self.mode[0] != self.mode[1]
            else ""
        )
        moved = {
            name: each
            for name, each in self.shares.items()
            if abs((each.now or 0) - (each.before or 0)) >= SEEN_SHARE
        }
        told = [
            f"{name} {100 * (each.before or 0):.0f} → {100 * (each.now or 0):.0f} %"
            for name, each in moved.items()
        ]
        return f"{mode}{'Share of the say: ' + ', '.join(told) + '.' if told else ''}".strip()

    def _measures(self) -> str:
        words = {
            "log_loss": ("log loss", "{:.4f}", 1),
            "skill": ("saved", "{:+.1f} %", 100),
            "auc": ("AUC", "{:.3f}", 1),
        }
        told = []
        for name, pair in self.measured.items():
            says, form, times = words[name]
            before, now = (
                "–" if each is None else form.format(times * each)
                for each in (pair.before, pair.now)
            )
            told.append(f"{says} {before} → {now}")
        return f"Each judged on the latest leads of its own day: {', '.join(told)}." if told else ""

    def _definition(self) -> str:
        if not self.definition:
            return ""
        places = list(dict.fromkeys(change.where for change in self.definition))
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        return f"The definition changed: {'; '.join(places[:3])}{more}."


def _columns(artifact: Artifact) -> list[str]:
    plan = FeaturePlan.from_json(artifact.spec["plan"])
    return list(plan.learned) if artifact.spec["model"]["mode"] != "rules" else []


def _shares(artifact: Artifact) -> dict[str, float]:
    """Each expert's share of the say, 0 to 1; all 0 where none of them has any."""
    weights = artifact.spec["model"]["blend"]["weights"]
    total = sum(weights.values()) or 1.0
    return {name: float(weight) / total for name, weight in weights.items()}


def _only(these: list[str], those: list[str]) -> tuple[str, ...]:
    return tuple(name for name in these if name not in set(those))


def _moved(pair: Pair, what: str) -> str:
    more = (pair.now or 0) - (pair.before or 0)
    return f"{pair.now:,} {what} ({more:+,})" if more else f"{pair.now:,} {what} as before"
