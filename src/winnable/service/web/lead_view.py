"""What the inbox shows of a lead: the store's scores and labels as words and numbers for people who
sell. No HTML, no database.

A probability is a percentage with its interval; times are in UTC, as the store has them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from winnable.core.text import effect_points, percent, percent_range
from winnable.data.feedback.store.leads import LeadRow
from winnable.data.feedback.store.records import UNANSWERED, Label, ScoreRecord, State
from winnable.definition.schema import Definition
from winnable.learning.scoring.changes import Change, change_of

LABEL_NAMES = {
    "accepted": "Accepted",
    "rejected": "Rejected",
    "won": "Won",
    "lost": "Lost",
    "junk": "Junk",
    "withdrawn": "Answer undone",
}
STATE_NAMES: Mapping[str, str] = {**LABEL_NAMES, "new": "New", "returned": "Back again"}
DECISION_NAMES = {
    "pass": "Hand over",
    "nurture": "Nurture",
    "recycle": "Return to marketing",
    "discard": "Discard",
    "closed": "Closed",
}
_DESCRIBING_COLUMNS = {
    *("company", "account", "accountname", "organization", "organisation", "companyname", "firm"),
    *("title", "jobtitle", "position", "role", "function"),
}
ACCOUNTS = "/inbox/accounts/"
"""How the addresses of accounts' pages begin."""

_REASONS_IN_LIST = 2
"""Reasons for and against in a list; a lead's own page has all."""

_PROBABILITY_CLAUSE = re.compile(
    r"(?:(?:About|Fewer than|Less than|More than) )?[\d.]+(?:%| in 100)(?: of)? leads like this are"
    r" won(?: within [\d.,]+ days)?(?:, (?:and |which is )?|[:;] )"
)
"""How a decision's sentence begins where it states the probability, which the page shows anyway."""


@dataclass(frozen=True)
class Answer:
    """The label of a lead that counts, in words; `label_id` is given to whoever may undo it."""

    text: str
    lead_id: str
    label_id: str | None


@dataclass(frozen=True)
class OtherLead:
    """Another lead of the same person, by its id: its page, and what was answered, if anything."""

    lead_id: str
    address: str
    answer: str


@dataclass(frozen=True)
class ChangeView:
    """Why a lead's score is not that of earlier: `headline` says by how much, `because` names the
    strongest reasons in one sentence. `raised` and `lowered` are all of them, `rest` what is left
    over."""

    headline: str
    because: str
    raised: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class GridView:
    """A lead's cell of the grid, what the company calls it, and each sub-score in words: fit,
    engagement, and of that interest, intent and other behaviour."""

    cell: str
    says: str
    sub_scores: tuple[tuple[str, str], ...]
    against: str


@dataclass(frozen=True)
class LeadView:
    """A lead as the pages show it; the defaults are those of a lead without a score.

    `position`, `low` and `high` are percentages for the drawing; `tone` is the grade that colors
    stand for, `direction` that of the trend. `others` are leads of the same person, of which there
    are `more_others` that are not named.
    """

    lead_id: str
    anchor: str
    address: str
    name: str
    tone: str
    answer: Answer | None
    next: str
    score_id: str = ""
    about: tuple[str, ...] = ()
    position: float = 0.0
    low: float = 0.0
    high: float = 0.0
    probability: str = "–"
    interval: str = ""
    grade: str = ""
    grid: GridView | None = None
    decision: str = "Not scored yet."
    reasons_for: tuple[str, ...] = ()
    reasons_against: tuple[str, ...] = ()
    sum_of_reasons: str = ""
    trend: str = ""
    direction: str = ""
    change: ChangeView | None = None
    before: str = ""
    comes_back: str = ""
    account: str = ""
    account_address: str = ""
    others: tuple[OtherLead, ...] = ()
    more_others: int = 0

    @property
    def first_reasons_for(self) -> tuple[str, ...]:
        """The strongest reasons for the lead."""
        return self.reasons_for[:_REASONS_IN_LIST]

    @property
    def first_reasons_against(self) -> tuple[str, ...]:
        """The strongest reasons against the lead."""
        return self.reasons_against[:_REASONS_IN_LIST]


def lead_view(row: LeadRow, definition: Definition, by: str, following: str = "") -> LeadView:
    """A row of the store for whoever is signed in as `by`; `following` is the id of the next lead
    on the page."""
    unscored = LeadView(
        lead_id=row.lead_id,
        anchor=anchor(row.lead_id),
        address=address(row.lead_id),
        name=row.lead_id,
        tone=tone(definition, ""),
        answer=_answer(row.label, by),
        before=_before(row.before, by),
        comes_back=_comes_back(row, definition),
        next=anchor(following) if following else "",
        others=tuple(
            OtherLead(lead_id, address(lead_id), _answered(state))
            for lead_id, state in row.others.named
        ),
        more_others=row.others.total - len(row.others.named),
    )
    score = row.score
    if score is None:
        return unscored
    change = None if row.earlier is None else change_of(score, row.earlier)
    trend, direction = _trend(score.probability, row.week_ago, change)
    account, to_account = _account(score, definition)
    return replace(
        unscored,
        name=score.name or row.lead_id,
        tone=tone(definition, score.grade),
        score_id=score.score_id,
        about=about(score, row.lead_id),
        position=100 * score.probability,
        low=100 * score.low,
        high=100 * score.high,
        probability=percent(score.probability),
        interval=percent_range(score.low, score.high),
        grade=score.grade,
        grid=None if score.grid is None else _grid(score.grid),
        decision=decision_text(score.because),
        reasons_for=_reasons(score.reasons, raising=True),
        reasons_against=_reasons(score.reasons, raising=False),
        sum_of_reasons=_sum_of_reasons(score),
        trend=trend,
        direction=direction,
        change=None if change is None else _change_view(change),
        account=account,
        account_address=to_account,
    )


def _answered(state: State) -> str:
    """What was answered, to stand in brackets; "" where the lead still waits."""
    return "" if state in UNANSWERED else STATE_NAMES[state].lower()


def anchor(lead_id: str) -> str:
    """The place of a lead on a page; ids may hold anything, fragments may not."""
    return f"lead-{blake2b(lead_id.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"


def address(lead_id: str) -> str:
    """The address of a lead's own page."""
    return f"/inbox/leads/{quote(lead_id, safe='', errors='surrogatepass')}"


def account_address(key: str) -> str:
    """The address of an account's page."""
    return f"{ACCOUNTS}{quote(key, safe='', errors='surrogatepass')}"


def numbers_text(horizon_days: float | None) -> str:
    """What the percentages of a page mean, said once for all of them."""
    within = "" if horizon_days is None else f" within {horizon_days:g} days"
    return (
        f"Each percentage is the probability of being won{within}; the range is its 80% interval."
    )


def decision_text(because: str) -> str:
    """The sentence of a decision without the probability that it may begin with."""
    clause = _PROBABILITY_CLAUSE.match(because)
    rest = because if clause is None else because[clause.end() :]
    return rest[:1].upper() + rest[1:]


def about(score: ScoreRecord, lead_id: str) -> tuple[str, ...]:
    """Who the lead is, in a few words: title and company where the score was given with them,
    source, owner, id."""
    parts = [
        str(value)
        for name, value in score.values.items()
        if value is not None and _letters(name) in _DESCRIBING_COLUMNS
    ]
    if score.source:
        parts.append(score.source)
    if score.owner:
        parts.append(f"Owner: {score.owner}")
    if score.name:
        parts.append(lead_id)
    name = (score.name or "").casefold()
    return tuple(dict.fromkeys(part for part in parts if part and part.casefold() not in name))


def tone(definition: Definition, grade: str) -> str:
    """Hot, warm, cool or cold for a grade in the company's own words."""
    named = {
        definition.grades.labels.get(name, name): name for name in ("hot", "warm", "cool", "cold")
    }
    return named.get(grade, "cold")


def time_text(moment: datetime) -> str:
    """A moment as people write it."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def date_text(moment: datetime) -> str:
    """The day of a moment as people write it."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def label_text(label: Label) -> str:
    """A label with its reason."""
    name = LABEL_NAMES[label.label]
    return f"{name}: {label.reason}" if label.reason else name


def _answer(label: Label | None, by: str) -> Answer | None:
    if label is None:
        return None
    own = label.by == by
    return Answer(_said(label, by), label.lead_id, label.label_id if own else None)


def said(label: Label, by: str) -> str:
    """What was said of a lead, as `by` reads it: the label, by whom, when, and the note."""
    note = f": “{label.note}”" if label.note else ""
    return f"{_said(label, by)}{note}"


def _said(label: Label, by: str) -> str:
    who = "you" if label.by == by else label.by
    return f"{label_text(label)} · by {who}, {time_text(label.moment)}"


def _before(label: Label | None, by: str) -> str:
    """What was said of a lead before it came back, with the note; "" if it did not."""
    return "" if label is None else f"Back again. Before: {said(label, by)}"


def _comes_back(row: LeadRow, definition: Definition) -> str:
    text = row.comes_back(definition)
    return f"Comes back {text}." if text else ""


_SUB_SCORES = (
    ("fit", "profile", "Fit"),
    ("engagement", "", "Engagement"),
    ("interest", "interest", "of that, interest"),
    ("intent", "intent", "of that, intent"),
    ("behaviour", "behaviour", "of that, other behavior"),
)
"""Each sub-score by its name, that of its points, and the one that people read."""


_MANY_TIMES = 100
"""Beyond it, and below one part of it, an odds ratio is not told in numbers."""


def _grid(place: Mapping[str, Any]) -> GridView:
    points = dict(place["points"] or {})
    if points:
        points[""] = sum(points[name] for name in ("interest", "intent", "behaviour"))
    steps = dict(zip(("fit", "engagement"), place["cell"], strict=True))
    shown = []
    for name, group, title in _SUB_SCORES:
        if name == "behaviour" and round(place[name], 2) == 1:
            continue
        given = f"{points_text(points[group])}, " if points else ""
        text = f"{given}{times_text(place[name])}"
        shown.append((title, f"{steps[name]}: {text}" if name in steps else text))
    against = "the average lead that we expect" if points else "a typical lead"
    return GridView(place["cell"], place["says"], tuple(shown), against)


def times_text(ratio: float) -> str:
    """An odds ratio as people read it."""
    if round(ratio) > _MANY_TIMES:
        return f"more than {_MANY_TIMES} times the odds"
    if ratio < 1 / _MANY_TIMES:
        return "less than a hundredth of the odds"
    return f"{ratio:.0f} times the odds" if ratio >= 10 else f"{ratio:.2g} times the odds"


def points_text(points: float) -> str:
    """Points of a scorecard as people read them."""
    number = f"{points:,.0f}" if abs(points) >= 100 else f"{points:.3g}"
    return f"{number} points"


def _account(score: ScoreRecord, definition: Definition) -> tuple[str, str]:
    """The lead's account and the address of its page, "" where the definition has no accounts."""
    if score.account is None or definition.columns.account is None:
        return "", ""
    return score.account_name or score.account, account_address(score.account)


def _trend(probability: float, week_ago: float | None, change: Change | None) -> tuple[str, str]:
    """How the probability moved since the earlier score, in words, and the direction; where it is
    not known why, since a week ago."""
    if change is not None and (change.parts is not None or week_ago is None):
        return change.headline, _direction(change.points)
    if week_ago is None:
        return "First scored this week", "new"
    points = round(100 * probability) - round(100 * week_ago)
    if points == 0:
        return "Unchanged from a week ago", "same"
    moved = "Up" if points > 0 else "Down"
    return f"{moved} from {percent(week_ago)} a week ago", _direction(points)


def _direction(points: float) -> str:
    if points == 0:
        return "same"
    return "up" if points > 0 else "down"


def _change_view(change: Change) -> ChangeView:
    if change.parts is None:
        return ChangeView(change.headline, change.because)
    rest = change.shown_rest(change.parts)
    return ChangeView(
        headline=change.headline,
        because=change.because,
        raised=tuple(part.text_with_effect for part in change.parts if part.effect > 0),
        lowered=tuple(part.text_with_effect for part in change.parts if part.effect <= 0),
        rest=f"Everything else: {rest:+g}." if rest else "",
    )


def _reasons(reasons: Iterable[Mapping[str, Any]], *, raising: bool) -> tuple[str, ...]:
    """The reasons that raise or lower the probability, without the word for that: the heading has
    it."""
    texts = []
    for reason in reasons:
        text = str(reason["says"])
        if _raises(reason) is raising:
            texts.append(text.removesuffix(": raises").removesuffix(": lowers"))
    return tuple(texts)


def _raises(reason: Mapping[str, Any]) -> bool:
    """Whether a reason raises the probability. Reasons of earlier versions have no effect, and
    where they are a rule's points no log-odds either: then the end of the text tells."""
    effect = reason.get("effect", reason.get("log_odds"))
    if effect is not None:
        return float(effect) > 0
    return not str(reason["says"]).rpartition(": ")[2].startswith("-")


def _sum_of_reasons(score: ScoreRecord) -> str:
    """What the reasons start from, and what is left over, so that the numbers of the page add up;
    "" where it is not known."""
    if score.start is None or any("effect" not in reason for reason in score.reasons):
        return ""
    start = percent(score.start)
    if score.mode == "rules":
        return f"A lead without points has {start}."
    shown = sum(effect_points(float(reason["effect"])) for reason in score.reasons)
    rest = round(100 * score.probability) - round(100 * score.start) - shown
    return (
        f"In points of probability, against {start} of a typical lead. Everything else:"
        f" {round(rest, 1):+g}."
    )


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
