"""What the feedback store keeps, as plain values: scores that were given, and labels that people
gave back.

A label is an opinion (accepted, rejected, junk) or an outcome (won, lost); the two are never mixed
up. Opinions may differ and outcomes may be wrong, so nothing is ever overwritten: a correction is a
new label that names the one it replaces, and taking one back is the label "withdrawn". Keeping them
is the work of `feedback`; nothing here needs a database.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from winnable.errors import DataError

LabelName = Literal["accepted", "rejected", "junk", "won", "lost", "withdrawn"]
Origin = Literal["api", "inbox", "command", "import"]
State = Literal["new", "accepted", "rejected", "junk", "won", "lost"]
LABELS: tuple[LabelName, ...] = get_args(LabelName)
OPINIONS: frozenset[str] = frozenset({"accepted", "rejected", "junk"})
OUTCOMES: frozenset[str] = frozenset({"won", "lost"})
OPEN: frozenset[str] = frozenset({"new", "accepted"})
"""The states of leads that sales still has to do something about."""

LONGEST_ID = (
    500  # characters of a lead's or a score's id; what is indexed in a database has to be short
)
LONGEST_NAME = 200  # characters of a name of a person, and of a reason
LONGEST_NOTE = 2000
ACTIVITIES_KEPT = 200  # the last ones of a lead, with its score
AHEAD = timedelta(days=1)  # clocks differ and so do time zones


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """A score as it was given: what was said of which lead, for which moment, by which model, and
    what it was told.

    `person` is the key of `definition.people`, `reasons` a list of {"says", "log_odds"}, `values`
    the columns that the model looks at, `activities` a list of {"kind", "at"}, newest last. `name`,
    `owner` and `source` are for people to read and to look for.
    """

    score_id: str
    lead_id: str
    as_of: datetime
    given_at: datetime
    probability: float
    low: float
    high: float
    probability_winnable: float | None
    grade: str
    decision: str
    because: str
    mode: str
    version: str
    person: str | None = None
    reasons: tuple[Mapping[str, Any], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    activities: tuple[Mapping[str, Any], ...] = ()
    name: str | None = None
    owner: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A score by which a lead was handed to sales, in short: for which moment, by which model, how
    probable, and why."""

    lead_id: str
    version: str
    as_of: datetime
    probability: float
    because: str


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody said of a lead. `at` is when it was so (now if not given), `recorded_at` when
    the store took it down.

    `score_id` is the score it answers, `replaces` the label that it corrects or takes back;
    "withdrawn" without one takes back the last that the same person gave. `label_id` and
    `recorded_at` are the store's to give.
    """

    lead_id: str
    label: LabelName
    by: str
    at: datetime | None = None
    reason: str | None = None
    note: str | None = None
    score_id: str | None = None
    replaces: str | None = None
    origin: Origin = "api"
    label_id: str = ""
    recorded_at: datetime | None = None

    @property
    def moment(self) -> datetime:
        """When it was so, for a label that the store has taken down."""
        moment = self.at or self.recorded_at
        assert moment is not None, "the store gives every label its time"
        return moment


def checked(label: Label, now: datetime | None = None) -> Label:
    """The label with blanks stripped and empty texts as None; `DataError` names what cannot be
    kept, without its value."""
    present = now or datetime.now(UTC)
    told: dict[str, Any] = {
        each.name: _stripped(getattr(label, each.name)) for each in fields(label)
    }
    if told["label"] not in LABELS:
        raise DataError(f"label: expected one of {', '.join(LABELS)}.")
    for name, longest in (("lead_id", LONGEST_ID), ("by", LONGEST_NAME)):
        if told[name] is None:
            raise DataError(f"{name}: expected a text of 1 to {longest} characters.")
    limits = {
        "lead_id": LONGEST_ID,
        "score_id": LONGEST_ID,
        "replaces": LONGEST_ID,
        "by": LONGEST_NAME,
        "reason": LONGEST_NAME,
    }
    for name, longest in {**limits, "note": LONGEST_NOTE}.items():
        if told[name] is not None and len(told[name]) > longest:
            raise DataError(f"{name}: longer than {longest:,} characters.")
    for name in ("at", "recorded_at"):
        when = told[name]
        if when is not None and when.tzinfo is None:
            raise DataError(
                f"{name}: expected a date and time with a time zone, such as 2026-06-30T12:00:00Z."
            )
        if when is not None and when > present + AHEAD:
            raise DataError(f"{name}: lies in the future.")
        told[name] = None if when is None else when.astimezone(UTC)
    told["label_id"] = told["label_id"] or ""
    return Label(**told)


def _stripped(value: object) -> object:
    """Texts without blanks around them and without NUL, which no database keeps; empty ones as
    None."""
    return (value.replace("\x00", "").strip() or None) if isinstance(value, str) else value


def live(labels: Iterable[Label]) -> list[Label]:
    """The labels that stand: neither replaced by another nor a taking back, in the order of their
    times."""
    labels = list(labels)
    replaced = {each.replaces for each in labels if each.replaces is not None}
    standing = [
        each for each in labels if each.label_id not in replaced and each.label != "withdrawn"
    ]
    return sorted(standing, key=lambda each: (each.moment, each.recorded_at or each.moment))


def current(labels: Iterable[Label]) -> Label | None:
    """What counts of a lead's labels: the last outcome that stands, else the last opinion that
    does, else nothing."""
    standing = live(labels)
    outcomes = [each for each in standing if each.label in OUTCOMES]
    last = (outcomes or standing)[-1:]
    return last[0] if last else None


def last_word_of_each(labels: Iterable[Label], kind: frozenset[str]) -> dict[str, Label]:
    """By person, the last label of this kind (`OPINIONS` or `OUTCOMES`) that stands; who changed
    their mind counts once."""
    return {each.by: each for each in live(labels) if each.label in kind}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Labels of one lead that cannot all be right, the last word of each person, by time."""

    lead_id: str
    kind: Literal["opinions", "outcomes"]
    labels: tuple[Label, ...]


def conflicts_of(lead_id: str, labels: Iterable[Label]) -> Iterator[Conflict]:
    """What people disagree on about one lead, by the last word of each."""
    labels = list(labels)
    opinions = last_word_of_each(labels, OPINIONS)
    outcomes = last_word_of_each(labels, OUTCOMES)
    if len({each.label == "accepted" for each in opinions.values()}) > 1:
        yield Conflict(
            lead_id, "opinions", tuple(sorted(opinions.values(), key=lambda each: each.moment))
        )
    if len({each.label for each in outcomes.values()}) > 1:
        yield Conflict(
            lead_id, "outcomes", tuple(sorted(outcomes.values(), key=lambda each: each.moment))
        )
