"""A lead's own page: its scores over time, the feedback on it, its activities, and the data it was
scored with. No HTML, no database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from winnable.core.text import percent, percent_range
from winnable.core.values import moment
from winnable.data.feedback.store.leads import LeadHistory
from winnable.data.feedback.store.records import (
    Label,
    ScoreRecord,
    conflicts_of,
    episodes_of,
    live,
)
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import (
    DECISION_NAMES,
    LeadView,
    date_text,
    label_text,
    lead_view,
    numbers_text,
    time_text,
)
from winnable.service.web.same_person import PersonLead, left_out, same_person

_MODE_NAMES = {
    "rules": "the scorecard of the definition",
    "blend": "a blend of the scorecard and models trained on past leads",
    "learned": "models trained on past leads",
}
SCORES_SHOWN = 50
"""The latest scores that are shown."""

_ACTIVITIES_SHOWN = 50

_GRID_STEPS = (0.02, 0.05, 0.1, 0.2, 0.25)
"""Distances between the lines of the drawing, as probabilities; the last is always wide enough."""

_MOST_GRID_LINES = 5


@dataclass(frozen=True)
class HistoryLine:
    """One line of what happened: what, and when, by whom, with which note."""

    title: str
    detail: str
    undone: bool = False


@dataclass(frozen=True)
class ScoreLine:
    """One score of the table."""

    date: str
    probability: str
    interval: str
    decision: str
    model: str


@dataclass(frozen=True)
class Chart:
    """A lead's scores over time as the points of a drawing, `width` by `height`, and a summary in
    words."""

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
    summary: str


@dataclass(frozen=True)
class LeadDetail:
    """Everything that a lead's own page shows."""

    lead: LeadView
    numbers: str
    scored_by: str
    conflict: str
    chart: Chart | None
    scores: tuple[ScoreLine, ...]
    labels: tuple[HistoryLine, ...]
    activities: tuple[HistoryLine, ...]
    values: tuple[tuple[str, str], ...]
    others: tuple[PersonLead, ...] = ()
    more_others: str = ""


def lead_detail(
    history: LeadHistory, definition: Definition, horizon_days: float | None, by: str
) -> LeadDetail:
    """The page of a lead for whoever is signed in as `by`."""
    last = history.lead.score
    values: Mapping[str, Any] = {} if last is None else last.values
    return LeadDetail(
        lead=lead_view(history.lead, definition, by),
        numbers=numbers_text(horizon_days),
        scored_by="" if last is None else _scored_by(last),
        conflict=_conflict_text(history),
        chart=chart(history.scores[-SCORES_SHOWN:]),
        scores=tuple(_score_line(score) for score in history.scores[: -SCORES_SHOWN - 1 : -1]),
        labels=tuple(_label_lines(history)),
        activities=() if last is None else tuple(_activity_lines(last.activities)),
        values=tuple(
            (name, _value_text(value, is_created=name == definition.columns.created))
            for name, value in values.items()
            if value is not None
        ),
        others=same_person(history, definition, by),
        more_others=left_out(history),
    )


def _scored_by(score: ScoreRecord) -> str:
    mode = _MODE_NAMES.get(score.mode, score.mode)
    return f"Scored by model version {score.version}, {mode}."


def _score_line(score: ScoreRecord) -> ScoreLine:
    return ScoreLine(
        date=date_text(score.as_of),
        probability=percent(score.probability),
        interval=percent_range(score.low, score.high),
        decision=DECISION_NAMES.get(score.decision, score.decision),
        model=score.version,
    )


def _label_lines(history: LeadHistory) -> Iterator[HistoryLine]:
    """What was said and when the lead came back, the latest first."""
    standing = {label.label_id for label in live(history.labels)}
    returns = list(history.returns)
    for label in reversed(history.labels):
        while returns and returns[-1].sequence >= label.sequence:
            yield HistoryLine("Came back", time_text(returns.pop().at))
        if label.label != "withdrawn":
            yield _label_line(label, standing)


def _label_line(label: Label, standing: Iterable[str]) -> HistoryLine:
    note = f": “{label.note}”" if label.note else ""
    return HistoryLine(
        label_text(label),
        f"{label.by}, {time_text(label.moment)}{note}",
        label.label_id not in standing,
    )


def _conflict_text(history: LeadHistory) -> str:
    """How people's labels conflict on this lead, in a sentence; "" if they do not."""
    episode = episodes_of(history.labels, history.returns)[-1]
    conflict = next(conflicts_of(history.lead.lead_id, episode), None)
    if conflict is None:
        return ""
    labels = "; ".join(f"{label.by}: {label_text(label)}" for label in conflict.labels)
    return (
        f"There is conflicting feedback on this lead ({labels}). All of it is saved; please talk to"
        " each other."
    )


def _activity_lines(activities: Sequence[Mapping[str, Any]]) -> Iterator[HistoryLine]:
    for activity in reversed(activities[-_ACTIVITIES_SHOWN:]):
        done_at = activity_time(activity)
        text = "" if done_at is None else time_text(done_at)
        yield HistoryLine(str(activity.get("kind", "")), text)


def activity_time(activity: Mapping[str, Any]) -> datetime | None:
    """When an activity that is stored with a score was done, in UTC unless it says otherwise; None
    if it does not say."""
    at = activity.get("at")
    done_at = at if isinstance(at, datetime) else moment(str(at or ""))
    return None if done_at is None else done_at.replace(tzinfo=done_at.tzinfo or UTC)


def _value_text(value: object, *, is_created: bool) -> str:
    created = moment(str(value)) if is_created else None
    if created is not None:
        return time_text(created)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def chart(scores: Sequence[ScoreRecord]) -> Chart | None:
    """The drawing of a lead's scores, oldest first; None for fewer than two."""
    if len(scores) < 2:
        return None
    width = 520
    height = 200
    left = 40
    right = 508
    top = 12
    bottom = 170
    times = [score.as_of.timestamp() for score in scores]
    span = max(times[-1] - times[0], 1.0)
    highest = min(1.0, max(0.1, *(score.high for score in scores)))
    fitting = (step for step in _GRID_STEPS if highest / step <= _MOST_GRID_LINES)
    step = next(fitting, _GRID_STEPS[-1])
    ceiling = step * -(-highest // step)

    def x(time: float) -> float:
        return round(left + 6 + (right - left - 12) * (time - times[0]) / span, 1)

    def y(probability: float) -> float:
        return round(bottom - (bottom - top) * probability / ceiling, 1)

    curve = [(x(time), y(score.probability)) for time, score in zip(times, scores, strict=True)]
    upper = [(x(time), y(score.high)) for time, score in zip(times, scores, strict=True)]
    lower = [(x(time), y(score.low)) for time, score in zip(times, scores, strict=True)]
    dots = [
        (*place, f"{date_text(score.as_of)}: {percent(score.probability)}")
        for place, score in zip(curve, scores, strict=True)
    ]
    first = scores[0]
    last = scores[-1]
    return Chart(
        width=width,
        height=height,
        left=left,
        right=right,
        lines=tuple(
            (y(step * i), f"{100 * step * i:.0f}%") for i in range(round(ceiling / step) + 1)
        ),
        curve=_points(curve),
        band=_points(upper + lower[::-1]),
        dots=tuple(dots),
        begins=date_text(first.as_of),
        ends=date_text(last.as_of),
        summary=(
            f"From {percent(first.probability)} on {date_text(first.as_of)} to"
            f" {percent(last.probability)} on {date_text(last.as_of)}."
        ),
    )


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
