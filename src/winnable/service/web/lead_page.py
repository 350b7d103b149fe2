"""A lead's own page: its scores over time, who said what, what it did, and what was known of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from winnable.core.values import moment
from winnable.data.feedback.store.records import Label, ScoreRecord, conflicts_of, live
from winnable.data.feedback.store.store import LeadHistory
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import DECISIONS, LeadView, day, lead_view, of_100, said, when

_MODES = {
    "rules": "the rules of our definition",
    "blend": "our rules and past leads together",
    "learned": "past leads",
}
_MOST = 50  # scores, and activities, that are shown


@dataclass(frozen=True)
class HistoryLine:
    """One line of what happened: what, and when, by whom, with which note."""

    what: str
    about: str
    undone: bool = False


@dataclass(frozen=True)
class ScoreLine:
    """One score of the table."""

    when: str
    of_100: str
    between: str
    decision: str
    model: str


@dataclass(frozen=True)
class Chart:
    """A lead's scores over time as the points of a drawing, `width` by `height`, and what it shows
    in words."""

    width: int
    height: int
    left: int
    right: int
    lines: tuple[tuple[float, str], ...]
    curve: str
    band: str
    dots: tuple[tuple[float, float, str], ...]
    begins: str
    ends: str
    says: str


@dataclass(frozen=True)
class LeadDetail:
    """Everything that a lead's own page shows."""

    lead: LeadView
    answered_by: str
    conflict: str
    chart: Chart | None
    scores: tuple[ScoreLine, ...]
    labels: tuple[HistoryLine, ...]
    activities: tuple[HistoryLine, ...]
    known: tuple[tuple[str, str], ...]


def lead_detail(
    story: LeadHistory, definition: Definition, horizon_days: float | None, by: str
) -> LeadDetail:
    """The page of a lead for whoever is signed in as `by`."""
    last = story.lead.score
    standing = {label.label_id for label in live(story.labels)}
    return LeadDetail(
        lead=lead_view(story.lead, definition, horizon_days, by),
        answered_by=(
            ""
            if last is None
            else f"By model version {last.version}, from {_MODES.get(last.mode, last.mode)}."
        ),
        conflict=_conflict(story),
        chart=chart(story.scores[-_MOST:]),
        scores=tuple(_line(score) for score in story.scores[: -_MOST - 1 : -1]),
        labels=tuple(
            _shown(label, standing)
            for label in reversed(story.labels)
            if label.label != "withdrawn"
        ),
        activities=() if last is None else tuple(_activities(last.activities)),
        known=(
            ()
            if last is None
            else tuple(
                (name, _value(value)) for name, value in last.values.items() if value is not None
            )
        ),
    )


def _line(score: ScoreRecord) -> ScoreLine:
    interval = f"{of_100(score.low)} to {of_100(score.high)}"
    decision = DECISIONS.get(score.decision, score.decision)
    return ScoreLine(day(score.as_of), of_100(score.probability), interval, decision, score.version)


def _shown(label: Label, standing: Iterable[str]) -> HistoryLine:
    note = f": “{label.note}”" if label.note else ""
    return HistoryLine(
        said(label), f"{label.by}, {when(label.moment)}{note}", label.label_id not in standing
    )


def _conflict(story: LeadHistory) -> str:
    """Whether people disagree on this lead, in a sentence; "" if they do not."""
    found = next(conflicts_of(story.lead.lead_id, story.labels), None)
    if found is None:
        return ""
    told = ", ".join(f"{label.by}: {said(label)}" for label in found.labels)
    return f"You do not all agree on this lead ({told}). Every answer is kept; talk to each other."


def _activities(known: Sequence[Mapping[str, Any]]) -> Iterator[HistoryLine]:
    for each in reversed(known[-_MOST:]):
        at = each.get("at")
        told = at if isinstance(at, datetime) else moment(str(at or ""))
        yield HistoryLine(
            str(each.get("kind", "")), when(told.replace(tzinfo=told.tzinfo or UTC)) if told else ""
        )


def _value(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def chart(scores: Sequence[ScoreRecord]) -> Chart | None:
    """The drawing of a lead's scores, oldest first; None for fewer than two."""
    if len(scores) < 2:
        return None
    width, height, left, right, top, bottom = 520, 200, 34, 508, 12, 170
    times = [each.as_of.timestamp() for each in scores]
    span = max(times[-1] - times[0], 1.0)
    highest = min(1.0, max(0.1, *(each.high for each in scores)))
    step = next(
        each for each in (0.02, 0.05, 0.1, 0.2, 0.25) if highest / each <= 5 or each == 0.25
    )
    ceiling = step * -(-highest // step)

    def x(time: float) -> float:
        return round(left + 6 + (right - left - 12) * (time - times[0]) / span, 1)

    def y(probability: float) -> float:
        return round(bottom - (bottom - top) * probability / ceiling, 1)

    curve = [(x(time), y(each.probability)) for time, each in zip(times, scores, strict=True)]
    upper = [(x(time), y(each.high)) for time, each in zip(times, scores, strict=True)]
    lower = [(x(time), y(each.low)) for time, each in zip(times, scores, strict=True)]
    dots = [
        (*place, f"{day(each.as_of)}: {of_100(each.probability)} of 100")
        for place, each in zip(curve, scores, strict=True)
    ]
    first, last = scores[0], scores[-1]
    return Chart(
        width=width,
        height=height,
        left=left,
        right=right,
        lines=tuple(
            (y(step * i), f"{100 * step * i:.0f}") for i in range(round(ceiling / step) + 1)
        ),
        curve=_points(curve),
        band=_points(upper + lower[::-1]),
        dots=tuple(dots),
        begins=day(first.as_of),
        ends=day(last.as_of),
        says=(
            f"From {of_100(first.probability)} of 100 on {day(first.as_of)} to"
            f" {of_100(last.probability)} on {day(last.as_of)}."
        ),
    )


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
