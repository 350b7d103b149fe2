"""The list of leads as a page asks for it and shows it: which one, which filters, which page, and
what to say if it is empty."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

from winnable.data.feedback.store.store import (
    LONGEST_SEARCH,
    FeedbackStore,
    LeadFilter,
    LeadPage,
    StateAsked,
)
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import LeadView, lead_view

Show = Literal["today", "accepted", "won", "lost", "rejected", "junk", "all"]
SIZE = 25  # leads on a page
KEPT = 60.0  # seconds that the values of the filters are kept
DEEPEST = 400  # pages; who looks further should search
_TITLES: Mapping[Show, tuple[str, str]] = {
    "today": ("Today", "Today’s leads"),
    "accepted": ("Accepted", "Accepted leads"),
    "won": ("Won", "Won leads"),
    "lost": ("Lost", "Lost leads"),
    "rejected": ("Rejected", "Rejected leads"),
    "junk": ("Junk", "Junk"),
    "all": ("All", "All leads"),
}


@dataclass(frozen=True)
class LeadListQuery:
    """What a reader wants to see; everything is checked here, so that nothing else can reach the
    store."""

    show: Show = "today"
    search: str = ""
    owner: str = ""
    source: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "LeadListQuery":
        """What the query of an address asks for; what it cannot mean is left out."""
        show: Show = next((each for each in _TITLES if each == query.get("show")), "today")
        words = {
            name: query.get(name, "").replace("\x00", "").strip()[:LONGEST_SEARCH]
            for name in ("q", "owner", "source")
        }
        given = query.get("page", "1")
        page = (
            min(max(int(given), 1), DEEPEST)
            if given.isascii() and given.isdigit() and len(given) < 9
            else 1
        )
        return cls(show, words["q"], words["owner"], words["source"], page)

    @property
    def address(self) -> str:
        """The address that asks for the same."""
        told = {
            "show": "" if self.show == "today" else self.show,
            "q": self.search,
            "owner": self.owner,
            "source": self.source,
            "page": "" if self.page == 1 else str(self.page),
        }
        query = urlencode({name: value for name, value in told.items() if value}, errors="replace")
        return f"/?{query}" if query else "/"

    @property
    def filtered(self) -> bool:
        """Whether any filter is set."""
        return bool(self.search or self.owner or self.source)

    @property
    def unfiltered(self) -> "LeadListQuery":
        """The same list without filters."""
        return LeadListQuery(self.show)


@dataclass(frozen=True)
class Choice:
    """A filter with the values that leads have."""

    name: str
    label: str
    everything: str
    options: tuple[str, ...]
    chosen: str


@dataclass(frozen=True)
class Empty:
    """What to say where there is no lead to show."""

    title: str
    says: str
    address: str = ""
    link: str = ""


@dataclass(frozen=True)
class LeadList:
    """The list as the page shows it."""

    asked: LeadListQuery
    title: str
    says: str
    tabs: tuple[tuple[str, str, bool], ...]
    choices: tuple[Choice, ...]
    leads: tuple[LeadView, ...]
    first: int
    place: str
    earlier: str
    later: str
    empty: Empty


class Values:
    """The owners and sources that leads have, looked up again after a minute: they seldom change,
    and every page asks."""

    def __init__(self) -> None:
        self._known: tuple[list[str], list[str]] = ([], [])
        self._until = 0.0

    def of(self, store: FeedbackStore) -> tuple[list[str], list[str]]:
        """Both, sorted. Where there were none, they are looked up each time."""
        if time.monotonic() > self._until or not any(self._known):
            self._known, self._until = store.choices(), time.monotonic() + KEPT
        return self._known


def lead_list(
    store: FeedbackStore,
    asked: LeadListQuery,
    definition: Definition,
    horizon_days: float | None,
    by: str,
    values: Values,
) -> LeadList:
    """What the store has for what was asked, as `by` sees it. `StoreError` if it cannot be read."""
    state: StateAsked = "new" if asked.show == "today" else asked.show
    found = store.leads(
        LeadFilter(
            asked.search,
            asked.owner or None,
            asked.source or None,
            state,
            "pass" if asked.show == "today" else None,
            asked.page,
            SIZE,
        )
    )
    following = ([row.lead_id for row in found.leads] + [""])[1:]
    leads = [
        lead_view(row, definition, horizon_days, by, after)
        for row, after in zip(found.leads, following, strict=True)
    ]
    first = (found.page - 1) * SIZE + 1
    return LeadList(
        asked=asked,
        title=_TITLES[asked.show][1],
        says=_says(asked, found),
        tabs=tuple(
            (replace(asked, show=show, page=1).address, name, show == asked.show)
            for show, (name, _) in _TITLES.items()
        ),
        choices=_choices(values.of(store), asked),
        leads=tuple(leads),
        first=first,
        place=f"{first:,} to {first + len(leads) - 1:,} of {_total(found)}",
        earlier=replace(asked, page=found.page - 1).address if found.page > 1 else "",
        later=(
            replace(asked, page=found.page + 1).address
            if found.more and found.page < DEEPEST
            else ""
        ),
        empty=_empty(asked),
    )


def _choices(values: tuple[list[str], list[str]], asked: LeadListQuery) -> tuple[Choice, ...]:
    """The filters that have something to choose from, or are set."""
    owners, sources = values
    told = (
        ("owner", "Owner", "Everyone", owners, asked.owner),
        ("source", "Source", "Every source", sources, asked.source),
    )
    return tuple(
        Choice(
            name,
            label,
            everything,
            (*options, *((chosen,) if chosen and chosen not in options else ())),
            chosen,
        )
        for name, label, everything, options, chosen in told
        if options or chosen
    )


def _total(found: LeadPage) -> str:
    return f"more than {found.total:,}" if found.uncounted else f"{found.total:,}"


def _says(asked: LeadListQuery, found: LeadPage) -> str:
    one = found.total == 1
    if asked.show == "today":
        return (
            f"{_total(found)} {'lead waits' if one else 'leads wait'} for an answer, the most"
            " likely first."
        )
    return f"{_total(found)} {'lead' if one else 'leads'}, the most likely first."


def _empty(asked: LeadListQuery) -> Empty:
    if asked.filtered:
        return Empty(
            "No lead fits",
            "Try fewer words, or another owner or source.",
            asked.unfiltered.address,
            "Show all of this list",
        )
    if asked.show == "today":
        all_leads = LeadListQuery("all").address
        says = (
            "Every lead that was handed over has its answer. New ones appear here as soon as they"
            " are scored."
        )
        return Empty("Nothing is waiting", says, all_leads, "Look at all leads")
    if asked.show == "all":
        return Empty(
            "No leads yet",
            "Leads appear here as soon as they are scored, by `winnable score` or through POST"
            " /score.",
        )
    return Empty("None yet", "Leads that get this answer are listed here.", "/", "To today’s leads")
