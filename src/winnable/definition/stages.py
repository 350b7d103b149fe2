"""Lead stages: their order, which moves between them are allowed, and when a new episode begins.

Marketing anonymous, marketing identified, marketing qualified, sales accepted, sales qualified,
opportunity, won or lost. A lead that sales does not accept is passed back to marketing and is a
marketing identified lead again; one that was won or lost and comes back is a new episode. Statuses
are the CRM's own words; the definition says which of them means which stage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from winnable.definition.schema import Definition, StageName

STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages in their order; won and lost both end a lead."""

STAGE_NAMES: dict[StageName, str] = {
    "MAL": "Marketing anonymous lead",
    "MIL": "Marketing identified lead",
    "MQL": "Marketing qualified lead",
    "SAL": "Sales accepted lead",
    "SQL": "Sales qualified lead",
    "opportunity": "Opportunity",
    "won": "Closed Won",
    "lost": "Closed Lost",
}
"""The usual names of the stages, where the company has no word of its own."""

MoveKind = Literal["forward", "passed back", "recycled", "not allowed"]


@dataclass(frozen=True)
class Move:
    """A move from one stage to another; `position` is the place of the later status among those
    given."""

    position: int
    before: StageName
    after: StageName
    kind: MoveKind


def label(definition: Definition, stage: StageName) -> str:
    """What the company calls a stage."""
    written = definition.stages.get(stage)
    if written is None or written.label is None:
        return STAGE_NAMES[stage]
    return written.label


def stage_of(definition: Definition, status: str | None) -> StageName | None:
    """The stage that a status means; None where the definition gives it none (the lead is open)."""
    if status is None:
        return None
    word = status.strip()
    if word in definition.outcome.won:
        return "won"
    if word in definition.outcome.lost:
        return "lost"
    return next((name for name, stage in definition.stages.items() if word in stage.status), None)


def kind_of_move(before: StageName, after: StageName) -> MoveKind:
    """Whether a move is forward (by any number of stages), passed back to marketing (MIL), recycled
    (a new episode after won or lost), or not allowed."""
    if before in {"won", "lost"}:
        return "recycled" if after in {"MIL", "MQL"} else "not allowed"
    if STAGES.index(after) > STAGES.index(before):
        return "forward"
    return "passed back" if after == "MIL" else "not allowed"


def moves(definition: Definition, statuses: Sequence[str | None]) -> tuple[Move, ...]:
    """The moves in a lead's statuses, given in the order of time; statuses that mean no stage are
    skipped."""
    found: list[Move] = []
    before: StageName | None = None
    for position, status in enumerate(statuses):
        after = stage_of(definition, status)
        if after is None:
            continue
        if before is not None and after != before:
            found.append(Move(position, before, after, kind_of_move(before, after)))
        before = after
    return tuple(found)


def episodes(definition: Definition, statuses: Sequence[str | None]) -> tuple[int, ...]:
    """The episode, counted from 0, that each of a lead's statuses belongs to; an open status after
    won or lost begins a new one."""
    numbers: list[int] = []
    episode = 0
    ended = False
    for status in statuses:
        stage = stage_of(definition, status)
        if ended and status is not None and stage not in {"won", "lost"}:
            episode += 1
            ended = False
        ended = ended or stage in {"won", "lost"}
        numbers.append(episode)
    return tuple(numbers)
