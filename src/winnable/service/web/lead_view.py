"""What the inbox shows: the store's leads, scores and labels in the words and numbers of people who
sell. No HTML, no database.

Probabilities are said of 100 leads, with a plain word beside; times are in UTC, as the store has
them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from winnable.data.feedback.store.records import Label, ScoreRecord
from winnable.data.feedback.store.store import LeadRow
from winnable.definition.schema import Definition

SAID = {
    "accepted": "Accepted",
    "rejected": "Rejected",
    "won": "Won",
    "lost": "Lost",
    "junk": "Junk",
    "withdrawn": "Taken back",
}
DECISIONS = {
    "pass": "hand over",
    "nurture": "keep in touch",
    "recycle": "back to marketing",
    "discard": "let go",
    "closed": "closed",
}
_WORDS = (
    (0.85, "very likely"),
    (0.5, "likely"),
    (0.25, "possible"),
    (0.1, "unlikely"),
    (0.0, "very unlikely"),
)
_ABOUT = {
    *("company", "account", "accountname", "organization", "organisation", "companyname", "firm"),
    *("title", "jobtitle", "position", "role", "function"),
}
_SHOWN = 2  # reasons for and against in a list; a lead's own page has all


@dataclass(frozen=True)
class Answer:
    """What counts of the labels of a lead, in words; `label_id` is given to whoever may take it
    back."""

    words: str
    lead_id: str
    label_id: str | None


@dataclass(frozen=True)
class LeadView:
    """A lead as the pages show it. `chance`, `low` and `high` are of 100; `tone` is the grade that
    colours stand for."""

    lead_id: str
    score_id: str
    anchor: str
    address: str
    name: str
    about: tuple[str, ...]
    chance: float
    of_100: str
    word: str
    low: float
    high: float
    between: str
    grade: str
    tone: str
    because: str
    raises: tuple[str, ...]
    lowers: tuple[str, ...]
    trend: str
    way: str
    answer: Answer | None
    next: str = ""

    @property
    def first_raises(self) -> tuple[str, ...]:
        """The strongest reasons for the lead."""
        return self.raises[:_SHOWN]

    @property
    def first_lowers(self) -> tuple[str, ...]:
        """The strongest reasons against the lead."""
        return self.lowers[:_SHOWN]


def lead_view(
    row: LeadRow, definition: Definition, horizon_days: float | None, by: str, following: str = ""
) -> LeadView:
    """A row of the store for whoever is signed in as `by`; `following` is the id of the next lead
    on the page."""
    score = row.score
    reasons = () if score is None else score.reasons
    trend, way = _trend(row)
    return LeadView(
        lead_id=row.lead_id,
        score_id="" if score is None else score.score_id,
        anchor=anchor(row.lead_id),
        address=address(row.lead_id),
        name=(score and score.name) or row.lead_id,
        about=() if score is None else about(score, row.lead_id),
        chance=0.0 if score is None else 100 * score.probability,
        of_100="–" if score is None else of_100(score.probability),
        word="not scored" if score is None else in_a_word(score.probability),
        low=0.0 if score is None else 100 * score.low,
        high=0.0 if score is None else 100 * score.high,
        between="" if score is None else between(score, horizon_days),
        grade="" if score is None else score.grade,
        tone=tone(definition, "" if score is None else score.grade),
        because="It has not been scored yet." if score is None else score.because,
        raises=_reasons(reasons, for_it=True),
        lowers=_reasons(reasons, for_it=False),
        trend=trend,
        way=way,
        answer=_answer(row.label, by),
        next=anchor(following) if following else "",
    )


def anchor(lead_id: str) -> str:
    """The place of a lead on a page; ids may hold anything, fragments may not."""
    return f"lead-{blake2b(lead_id.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"


def address(lead_id: str) -> str:
    """The address of a lead's own page."""
    return f"/inbox/leads/{quote(lead_id, safe='', errors='surrogatepass')}"


def of_100(probability: float) -> str:
    """The number of 100 such leads that are won; below one it says so."""
    return "<1" if 0 < probability < 0.005 else f"{100 * probability:.0f}"


def in_a_word(probability: float) -> str:
    """The plain word for a probability."""
    return next(word for least, word in _WORDS if probability >= least)


def between(score: ScoreRecord, horizon_days: float | None) -> str:
    """The interval in plain words."""
    soon = "" if horizon_days is None else f" within {horizon_days:g} days"
    return f"{of_100(score.low)} to {of_100(score.high)} of 100 leads like this are won{soon}"


def about(score: ScoreRecord, lead_id: str) -> tuple[str, ...]:
    """Who the lead is, in a few words: title and company where the model was told them, source,
    owner, id."""
    told = [
        str(value)
        for name, value in score.values.items()
        if value is not None and _plain(name) in _ABOUT
    ]
    told += [
        score.source or "",
        (score.owner and f"with {score.owner}") or "",
        lead_id if score.name else "",
    ]
    name = (score.name or "").casefold()
    return tuple(dict.fromkeys(each for each in told if each and each.casefold() not in name))


def tone(definition: Definition, grade: str) -> str:
    """Hot, warm, cool or cold for a grade in the company's own words."""
    named = {
        definition.grades.labels.get(name, name): name for name in ("hot", "warm", "cool", "cold")
    }
    return named.get(grade, "cold")


def when(moment: datetime) -> str:
    """A moment as people write it."""
    told = moment.astimezone(UTC)
    return f"{told.day} {told:%b %Y, %H:%M} UTC"


def day(moment: datetime) -> str:
    """The day of a moment as people write it."""
    told = moment.astimezone(UTC)
    return f"{told.day} {told:%b %Y}"


def said(label: Label) -> str:
    """What a label says, with its reason."""
    return f"{SAID[label.label]}: {label.reason}" if label.reason else SAID[label.label]


def _answer(label: Label | None, by: str) -> Answer | None:
    if label is None:
        return None
    who = "you" if label.by == by else label.by
    return Answer(
        f"{said(label)}. By {who}, {when(label.moment)}",
        label.lead_id,
        label.label_id if label.by == by else None,
    )


def _trend(row: LeadRow) -> tuple[str, str]:
    if row.score is None:
        return "not scored", "new"
    if row.week_ago is None:
        return "no score a week before", "new"
    change = round(100 * row.score.probability) - round(100 * row.week_ago)
    if change == 0:
        return "as a week before", "same"
    return (f"up {change} in a week", "up") if change > 0 else (f"down {-change} in a week", "down")


def _reasons(reasons: Iterable[Mapping[str, Any]], *, for_it: bool) -> tuple[str, ...]:
    """The reasons that raise or lower, without the word that says so: the heading says it."""
    told = []
    for each in reasons:
        says, log_odds = str(each["says"]), each.get("log_odds")
        points = says.rpartition(": ")[2]
        raises = log_odds > 0 if log_odds is not None else not points.startswith("-")
        if raises is for_it:
            told.append(says.removesuffix(": raises").removesuffix(": lowers"))
    return tuple(told)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
