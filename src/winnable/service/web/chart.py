"""A lead's scores over time as a drawing, made here so that the page needs no script for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from winnable.data.feedback.store.records import ScoreRecord
from winnable.service.web.lead_view import day, of_100


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
