"""The records of the feedback store as plain values: scores that were given, and labels that people
gave in return, and when leads came back.

A label is an opinion (accepted, rejected, junk) or an outcome (won, lost); the two are never mixed
up. Opinions may differ and outcomes may be wrong, so nothing is ever overwritten: a correction is a
new label that names the one it replaces, and the label "withdrawn" takes one back. They are stored
in `store`; nothing here needs a database.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from pydantic_core import from_json, to_json

from winnable.errors import DataError

LabelName = Literal["accepted", "rejected", "junk", "won", "lost", "withdrawn"]
Origin = Literal["api", "inbox", "command", "import"]
State = Literal["new", "accepted", "rejected", "junk", "won", "lost", "returned"]
Queue = Literal["sales", "nurture", "given_back"]
LABELS: tuple[LabelName, ...] = get_args(LabelName)
OPINIONS: frozenset[str] = frozenset({"accepted", "rejected", "junk"})
OUTCOMES: frozenset[str] = frozenset({"won", "lost"})
UNANSWERED: frozenset[str] = frozenset({"new", "returned"})
"""The states of leads that nobody has answered since they came, or came back."""
OPEN: frozenset[str] = UNANSWERED | {"accepted"}
"""The states of leads that sales still has to act on."""
NURTURED = ("nurture", "recycle")
"""The decisions that leave a lead to marketing."""

SCORE_LOG = "score_log"
"""The folder of scores that a service gave and the database does not have yet."""

LONGEST_ID = 500
"""Characters of the id of a lead or score; an indexed value has to be short."""
LONGEST_NAME = 200
"""Characters of a person's name, and of a reason."""
LONGEST_NOTE = 2000
"""Characters of a note."""
ACTIVITIES_KEPT = 200
"""How many of a lead's latest activities are stored with its score."""
CLOCK_TOLERANCE = timedelta(days=1)
"""How far in the future a label's time may be: clocks and time zones differ."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""A label's time before this one is a mistake: nobody had such a CRM."""


def queue_of(state: str, decision: str | None, *, may_return: bool = False) -> Queue | None:
    """Who works a lead of this state, whose last score led to this decision: "sales" what was
    handed over, marketing what is to "nurture" and what sales has "given_back" and may return."""
    if state in UNANSWERED:
        if decision == "pass":
            return "sales"
        return "nurture" if decision in NURTURED else None
    return "given_back" if may_return and state in {"rejected", "lost"} else None


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """A score as it was given: of which lead, as of when, by which model, and from which inputs.

    `person` is the key of `winnable.core.identity`, `reasons` a list of {"says", "feature",
    "value", "effect", "log_odds"} (of "says" and "log_odds" alone by earlier versions), `start` the
    probability from which the effects add up, None where that is not known;
    `values` the columns that the model uses, `activities` a list of {"kind", "at"}, newest last.
    `name`, `owner` and `source` are for people to read and to search; `account` is the key of the
    lead's account (`identity.account_key`), `account_name` how people write it. `parts` is all that
    the reasons were chosen from, `packed`; None where it was not kept. `grid` is the place in the
    grid (`decide.grid.GridPlace`), None where the definition had none.
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
    account: str | None = None
    account_name: str | None = None
    start: float | None = None
    parts: bytes | None = None
    grid: Mapping[str, Any] | None = None

    @property
    def cell(self) -> str | None:
        """The cell of the grid."""
        return None if self.grid is None else str(self.grid["cell"])


@dataclass(frozen=True, slots=True)
class EarlierScore:
    """An earlier score of a lead, with what a later one is compared with: `parts` as of
    `ScoreRecord`."""

    lead_id: str
    score_id: str
    as_of: datetime
    probability: float
    version: str
    parts: bytes | None


def packed(parts: object) -> bytes:
    """Plain JSON types as a few bytes, well under half of what they take as text."""
    return zlib.compress(to_json(parts), 1)  # more would take longer and save little


def unpacked(parts: bytes | None) -> Any:
    """What `packed` was given; None of None."""
    return None if parts is None else from_json(zlib.decompress(parts))


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The essentials of a score by which a lead was handed to sales: as of when, by which model,
    how probable, and why."""

    lead_id: str
    version: str
    as_of: datetime
    probability: float
    because: str


@dataclass(frozen=True, slots=True)
class Label:
    """A person's feedback on a lead. `at` is when it became true (default: now), `recorded_at` when
    the store recorded it.

    `score_id` is the score it refers to, `replaces` the label that it corrects or withdraws;
    "withdrawn" without it withdraws the last label of the same person. `label_id`, `recorded_at`
    and `sequence`, the order in which the store took labels in, are set by the store.
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
    sequence: int = 0

    @property
    def moment(self) -> datetime:
        """When it became true, for a label that the store has recorded."""
        moment = self.at or self.recorded_at
        assert moment is not None, "the store gives every label its time"
        return moment


def checked(label: Label, now: datetime | None = None) -> Label:
    """The label with texts stripped and empty texts as None.

    Raises DataError that names an invalid field, but not its value.
    """
    present = now or datetime.now(UTC)
    values: dict[str, Any] = {
        field.name: _stripped(getattr(label, field.name)) for field in fields(label)
    }
    if values["label"] not in LABELS:
        raise DataError(f"label: expected one of {', '.join(LABELS)}.")
    for name, longest in (("lead_id", LONGEST_ID), ("by", LONGEST_NAME)):
        if values[name] is None:
            raise DataError(f"{name}: expected a text of 1 to {longest} characters.")
    limits = {
        "lead_id": LONGEST_ID,
        "score_id": LONGEST_ID,
        "replaces": LONGEST_ID,
        "by": LONGEST_NAME,
        "reason": LONGEST_NAME,
        "note": LONGEST_NOTE,
    }
    for name, longest in limits.items():
        if values[name] is not None and len(values[name]) > longest:
            raise DataError(f"{name}: longer than {longest:,} characters.")
    for name in ("at", "recorded_at"):
        when = values[name]
        if when is not None and when.tzinfo is None:
            raise DataError(
                f"{name}: expected a date and time with a time zone, such as 2026-06-30T12:00:00Z."
            )
        if when is not None and when < EARLIEST:
            raise DataError(
                f"{name}: is before {EARLIEST.year}. Give the time at which it became true, or none"
                " for now."
            )
        if when is not None and when > present + CLOCK_TOLERANCE:
            raise DataError(f"{name}: is in the future.")
        values[name] = None if when is None else when.astimezone(UTC)
    values["label_id"] = values["label_id"] or ""
    return Label(**values)


def _stripped(value: object) -> object:
    """Texts without surrounding spaces and without NUL, which no database stores; empty ones as
    None."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "").strip() or None


def live(labels: Iterable[Label]) -> list[Label]:
    """The labels that are still valid: neither replaced by another nor a withdrawal, by time.

    An answer that was given without a time of its own comes after all that the store had before it,
    even if the clock was set back in between.
    """
    taken_in = sorted(labels, key=lambda label: (label.sequence, label.recorded_at or label.moment))
    replaced = {label.replaces for label in taken_in if label.replaces is not None}
    latest = EARLIEST
    standing: list[tuple[datetime, Label]] = []
    for label in taken_in:
        moment = max(label.moment, latest) if _is_timed_by_store(label) else label.moment
        latest = max(latest, moment)
        if label.label_id not in replaced and label.label != "withdrawn":
            standing.append((moment, label))
    return [label for _, label in sorted(standing, key=lambda timed: timed[0])]


def _is_timed_by_store(label: Label) -> bool:
    return label.at == label.recorded_at and label.origin != "import"


def current(labels: Iterable[Label]) -> Label | None:
    """The label that decides a lead's state: the last valid outcome, else the last valid opinion,
    else None."""
    standing = live(labels)
    outcomes = [label for label in standing if label.label in OUTCOMES]
    deciding = outcomes or standing
    return deciding[-1] if deciding else None


@dataclass(frozen=True, slots=True)
class Return:
    """A lead's return to sales: when, and after which of its labels, by their `sequence`."""

    lead_id: str
    sequence: int
    at: datetime


def episodes_of(labels: Iterable[Label], returns: Iterable[Return]) -> list[list[Label]]:
    """A lead's labels by episode, oldest first, each of which but the first began with a return.

    A label belongs to the episode in which it was given, or of which it says that it is; one that
    replaces or withdraws another, to that of the other.
    """
    ends = sorted(returns, key=lambda back: back.sequence)
    episodes: list[list[Label]] = [[] for _ in range(len(ends) + 1)]
    place_of: dict[str | None, int] = {}
    for label in sorted(labels, key=lambda label: label.sequence):
        place = place_of.get(label.replaces)
        if place is None:
            place = sum(
                label.sequence > back.sequence
                and (_is_timed_by_store(label) or label.moment >= back.at)
                for back in ends
            )
        place_of[label.label_id] = place
        episodes[place].append(label)
    return episodes


def latest_by_person(labels: Iterable[Label], kind: frozenset[str]) -> dict[str, Label]:
    """The last valid label of this kind (`OPINIONS` or `OUTCOMES`) of every person, the latest one
    last; people who changed their mind count once."""
    latest: dict[str, Label] = {}
    for label in live(labels):
        if label.label in kind:
            latest.pop(label.by, None)
            latest[label.by] = label
    return latest


@dataclass(frozen=True, slots=True)
class Conflict:
    """Contradicting labels of one lead: the latest of each person, by time."""

    lead_id: str
    kind: Literal["opinions", "outcomes"]
    labels: tuple[Label, ...]


def conflicts_of(lead_id: str, labels: Iterable[Label]) -> Iterator[Conflict]:
    """The conflicts among one lead's labels, by the latest label of each person."""
    labels = list(labels)
    opinions = latest_by_person(labels, OPINIONS).values()
    outcomes = latest_by_person(labels, OUTCOMES).values()
    if len({label.label == "accepted" for label in opinions}) > 1:
        yield Conflict(lead_id, "opinions", tuple(opinions))
    if len({label.label for label in outcomes}) > 1:
        yield Conflict(lead_id, "outcomes", tuple(outcomes))
