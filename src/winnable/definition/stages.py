"""The life of a lead: the field's stages in order, which moves between them are allowed, and when a
new episode begins.

Marketing anonymous, marketing identified, marketing qualified, sales accepted, sales qualified,
opportunity, won or lost. A lead that sales does not accept is passed back to marketing and is a
marketing identified lead again; one that was won or lost and comes back is a new episode. Statuses
are the CRM's own words; which of them means which stage is told by the definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from winnable.definition.schema import Definition, StageName

STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages in the order of a lead's life; won and lost both end it."""

NAMES: dict[StageName, str] = {
    "MAL": "Marketing anonymous lead",
    "MIL": "Marketing identified lead",
    "MQL": "Marketing qualified lead",
    "SAL": "Sales accepted lead",
    "SQL": "Sales qualified lead",
    "opportunity": "Opportunity",
    "won": "Closed Won",
    "lost": "Closed Lost",
}
"""What the field calls the stages, where the company has no word of its own."""

MoveKind = Literal["forward", "passed back", "recycled", "not allowed"]


@dataclass(frozen=True)
class Move:
    """A step from one stage to another: `position` is that of the later status among those given."""

    position: int
    before: StageName
    after: StageName
    kind: MoveKind


def label(definition: Definition, stage: StageName) -> str:
    """What the company calls a stage."""
    told = definition.stages.get(stage)
    return (told.label if told is not None else None) or NAMES[stage]


def stage_of(definition: Definition, status: str | None) -> StageName | None:
    """The stage that a status means; None where it means none (an open lead of which the definition
    says no more)."""
    if status is None:
        return None
    word = status.strip()
    if word in definition.outcome.won:
        return "won"
    if word in definition.outcome.lost:
        return "lost"
    return next((name for name, stage in definition.stages.items() if word in stage.status), None)


def kind_of_move(before: StageName, after: StageName) -> MoveKind:
    """Forward by any number of stages; back only to marketing (MIL); after won or lost only as a
    new episode."""
    if before in {"won", "lost"}:
        return "recycled" if after in {"MIL", "MQL"} else "not allowed"
    if STAGES.index(after) > STAGES.index(before):
        return "forward"
    return "passed back" if after == "MIL" else "not allowed"


def moves(definition: Definition, statuses: Sequence[str | None]) -> tuple[Move, ...]:
    """The moves in a lead's statuses, given in the order of time; statuses that mean no stage are
    passed over."""
    told: list[Move] = []
    before: StageName | None = None
    for position, status in enumerate(statuses):
        after = stage_of(definition, status)
        if after is None:
            continue
        if before is not None and after != before:
            told.append(Move(position, before, after, kind_of_move(before, after)))
        before = after
    return tuple(told)


def episodes(definition: Definition, statuses: Sequence[str | None]) -> tuple[int, ...]:
    """The episode, counted from 0, that each of a lead's statuses belongs to; an open status after
    an end begins a new one."""
    numbers: list[int] = []
    episode, ended = 0, False
    for status in statuses:
        stage = stage_of(definition, status)
        if status is not None and stage not in {"won", "lost"} and ended:
            episode, ended = episode + 1, False
        ended = ended or stage in {"won", "lost"}
        numbers.append(episode)
    return tuple(numbers)
