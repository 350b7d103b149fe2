"""An account's own page: who is there, what they did, how earlier leads of it ended, and the
probability that any of its open leads is won. No HTML, no database.

The probability is that of `winnable score --by account` (`learning.scoring.accounts`), here from
the latest stored score of each open lead.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from winnable.core.text import counted, percent
from winnable.data.feedback.store.leads import MAX_COUNTED_LEADS, AccountLeads, LeadRow
from winnable.data.feedback.store.records import Label
from winnable.definition.schema import Definition
from winnable.learning.artifacts.card import ModelCard
from winnable.learning.scoring.accounts import (
    calibration_text,
    independence_of,
    probability_of_any,
)
from winnable.service.web.lead_page import activity_time
from winnable.service.web.lead_view import (
    STATE_NAMES,
    LeadView,
    date_text,
    label_text,
    lead_view,
    time_text,
)

_ACTIVITIES_SHOWN = 20


@dataclass(frozen=True)
class AccountLead:
    """One lead of the account: as the pages show it, its state in a word, and its owner."""

    view: LeadView
    state: str
    owner: str


@dataclass(frozen=True)
class AccountEvent:
    """Something that happened with a lead of the account: what, when, the lead and its address."""

    title: str
    when: str
    name: str
    address: str


@dataclass(frozen=True)
class AccountDetail:
    """Everything that an account's page shows. `probability` is "" where no lead is open."""

    name: str
    probability: str
    says: str
    calibration: str
    leads: tuple[AccountLead, ...]
    left_out: str
    activities: tuple[AccountEvent, ...]
    outcomes: tuple[AccountEvent, ...]
    ended: str


def account_detail(
    found: AccountLeads, key: str, definition: Definition, card: ModelCard, by: str
) -> AccountDetail:
    """The page of the account with this key for whoever is signed in as `by`."""
    views = [lead_view(row, definition, by) for row in found.leads]
    leads = [
        AccountLead(view, STATE_NAMES[row.state], (row.score and row.score.owner) or "")
        for row, view in zip(found.leads, views, strict=True)
    ]
    n_open = len(found.open_probabilities)
    return AccountDetail(
        name=_name(found.leads, key),
        probability=_probability(found.open_probabilities, card) if n_open else "",
        says=_says(n_open, card.horizon_days),
        calibration=calibration_text(card) if n_open > 1 else "",
        leads=tuple(leads),
        left_out=_left_out(found.total, len(leads)),
        activities=tuple(_activities(found.leads, views)),
        outcomes=tuple(
            _outcome(label, lead_view(row, definition, by)) for row, label in found.outcomes
        ),
        ended=f"{found.won} won, {found.lost} lost",
    )


def _left_out(total: int, shown: int) -> str:
    """How many leads are not listed; "" if all are."""
    if total == shown:
        return ""
    least = "at least " if total == MAX_COUNTED_LEADS else ""
    return f"And {least}{counted(total - shown, 'more lead')}."


def _name(rows: Iterable[LeadRow], key: str) -> str:
    """How most of the leads write the account."""
    written = Counter(row.score.account_name or key for row in rows if row.score is not None)
    return written.most_common(1)[0][0] if written else key


def _probability(of_open: tuple[float, ...], card: ModelCard) -> str:
    """That any of the open leads is won, which are independent as far as the card says."""
    account = np.zeros(len(of_open), dtype=np.int64)
    _, of_any = probability_of_any(np.array(of_open), account, independence_of(card))
    return percent(float(of_any[0]))


def _says(n_open: int, horizon_days: float | None) -> str:
    """What the probability is of, in a sentence."""
    if not n_open:
        return "None of its scored leads is open."
    within = "" if horizon_days is None else f" within {horizon_days:g} days"
    if n_open == 1:
        return f"The probability that its one open lead is won{within}."
    return (
        f"The probability that at least one of its {n_open} open leads is won{within}, by their"
        " latest scores."
    )


def _outcome(label: Label, view: LeadView) -> AccountEvent:
    return AccountEvent(label_text(label), date_text(label.moment), view.name, view.address)


def _activities(rows: Iterable[LeadRow], views: Iterable[LeadView]) -> Iterator[AccountEvent]:
    """The latest activities of these leads, newest first; those without a time are left out."""
    done = []
    for row, view in zip(rows, views, strict=True):
        for activity in () if row.score is None else row.score.activities:
            at = activity_time(activity)
            if at is not None:
                done.append((at, str(activity.get("kind", "")), view))
    done.sort(key=lambda each: (each[0], each[2].lead_id), reverse=True)
    for at, kind, view in done[:_ACTIVITIES_SHOWN]:
        yield AccountEvent(kind, time_text(at), view.name, view.address)
