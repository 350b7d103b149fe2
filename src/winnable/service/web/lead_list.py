"""The lists of leads for sales and for marketing as a page asks for them and shows them: which one,
which filters, which page, and what an empty one shows. It ranks nothing: the store gives the leads
by their probability."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast
from urllib.parse import urlencode

from winnable.data.feedback.store.leads import (
    LONGEST_SEARCH,
    LeadFilter,
    LeadPage,
    QueueAsked,
    SortAsked,
    StateAsked,
)
from winnable.data.feedback.store.store import FeedbackStore
from winnable.definition.grid import CELLS, ENGAGEMENT, FIT, NAMES, Grid
from winnable.definition.schema import Definition
from winnable.service.web.lead_view import LeadView, lead_view, numbers_text

Show = Literal[
    "today",
    "accepted",
    "won",
    "lost",
    "rejected",
    "junk",
    "all",
    "marketing",
    "given-back",
    "nurture",
]
LEADS_PER_PAGE = 25
MAX_EXPORTED_LEADS = 10_000
"""In one CSV file: a person reads no more, and making it keeps a reader busy for seconds."""
FILTER_CACHE_SECONDS = 60.0
LAST_PAGE = 400
"""Whoever looks further should search."""

_TITLES: Mapping[Show, tuple[str, str]] = {
    "today": ("Today", "Today’s leads"),
    "accepted": ("Accepted", "Accepted leads"),
    "won": ("Won", "Won leads"),
    "lost": ("Lost", "Lost leads"),
    "rejected": ("Rejected", "Rejected leads"),
    "junk": ("Junk", "Junk"),
    "all": ("All", "All leads"),
}
_MARKETING_TITLES: Mapping[Show, tuple[str, str]] = {
    "marketing": ("All", "Leads for marketing"),
    "given-back": ("Given back by sales", "Leads that sales gave back"),
    "nurture": ("To nurture", "Leads to nurture"),
}
_QUEUES: Mapping[Show, QueueAsked] = {
    "today": "sales",
    "marketing": "marketing",
    "given-back": "given_back",
    "nurture": "nurture",
}


@dataclass(frozen=True)
class InboxQuery:
    """What a reader wants to see; everything is checked here, so that nothing unchecked reaches the
    store."""

    show: Show = "today"
    search: str = ""
    owner: str = ""
    source: str = ""
    page: int = 1
    grid: str = ""
    sort: SortAsked = "probability"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "InboxQuery":
        """What the query of an address asks for; what it cannot mean is left out."""
        known = (*_TITLES, *_MARKETING_TITLES)
        show: Show = next((name for name in known if name == query.get("show")), "today")
        filters = {
            name: query.get(name, "").replace("\x00", "").strip()[:LONGEST_SEARCH]
            for name in ("q", "owner", "source")
        }
        number = query.get("page", "1")
        page = 1
        if number.isascii() and number.isdigit() and len(number) < 9:
            page = min(max(int(number), 1), LAST_PAGE)
        grid = query.get("grid", "")
        return cls(
            show,
            filters["q"],
            filters["owner"],
            filters["source"],
            page,
            grid if grid in NAMES else "",
            "grid" if query.get("sort") == "grid" else "probability",
        )

    @property
    def address(self) -> str:
        """The address that asks for the same."""
        parameters = {
            "show": "" if self.show == "today" else self.show,
            "q": self.search,
            "owner": self.owner,
            "source": self.source,
            "grid": self.grid,
            "sort": "" if self.sort == "probability" else self.sort,
            "page": "" if self.page == 1 else str(self.page),
        }
        given = {name: value for name, value in parameters.items() if value}
        query = urlencode(given, errors="replace")
        return f"/?{query}" if query else "/"

    @property
    def csv_address(self) -> str:
        """The address of the same list, from its first page on, as a CSV file."""
        return f"/inbox/leads.csv{replace(self, page=1).address[1:]}"

    @property
    def for_marketing(self) -> bool:
        """Whether it is one of marketing's lists."""
        return self.show in _MARKETING_TITLES

    def filter(self, size: int) -> LeadFilter:
        """What the store is asked for, so many leads at a time."""
        queue = _QUEUES.get(self.show)
        return LeadFilter(
            search=self.search,
            owner=self.owner or None,
            source=self.source or None,
            state=None if queue else cast(StateAsked, self.show),
            queue=queue,
            page=self.page,
            size=size,
            one_per_person=self.show == "today",
            grid=self.grid or None,
            sort=self.sort,
        )

    @property
    def filtered(self) -> bool:
        """Whether any filter is set."""
        return bool(self.search or self.owner or self.source or self.grid)

    @property
    def unfiltered(self) -> "InboxQuery":
        """The same list without filters."""
        return InboxQuery(self.show)


@dataclass(frozen=True)
class FilterOption:
    """A filter with the values that leads have, and the words for those that have others."""

    name: str
    label: str
    everything: str
    options: tuple[str, ...]
    chosen: str
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Empty:
    """What to show where there is no lead."""

    title: str
    text: str
    address: str = ""
    link: str = ""


@dataclass(frozen=True)
class LeadList:
    """The list as the page shows it."""

    query: InboxQuery
    title: str
    summary: str
    numbers: str
    tabs: tuple[tuple[str, str, bool], ...]
    choices: tuple[FilterOption, ...]
    leads: tuple[LeadView, ...]
    first: int
    place: str
    previous_page: str
    next_page: str
    most_exported: str
    empty: Empty


class FilterValues:
    """The owners and sources that leads have, looked up again after a minute: they seldom change,
    and every page asks."""

    def __init__(self) -> None:
        self._known: tuple[list[str], list[str]] = ([], [])
        self._until = 0.0

    def of(self, store: FeedbackStore) -> tuple[list[str], list[str]]:
        """Both, sorted. Where there were none, they are looked up each time."""
        if time.monotonic() > self._until or not any(self._known):
            self._known = store.choices()
            self._until = time.monotonic() + FILTER_CACHE_SECONDS
        return self._known


def lead_list(
    store: FeedbackStore,
    query: InboxQuery,
    definition: Definition,
    horizon_days: float | None,
    by: str,
    values: FilterValues,
) -> LeadList:
    """What the store has for the query, as `by` sees it. `StoreError` if it cannot be read."""
    found = store.leads(query.filter(LEADS_PER_PAGE))
    titles = _MARKETING_TITLES if query.for_marketing else _TITLES
    following = ([row.lead_id for row in found.leads] + [""])[1:]
    leads = [
        lead_view(row, definition, by, after)
        for row, after in zip(found.leads, following, strict=True)
    ]
    first = (found.page - 1) * LEADS_PER_PAGE + 1
    has_next = found.more and found.page < LAST_PAGE
    return LeadList(
        query=query,
        title=titles[query.show][1],
        summary=_summary(query, found),
        numbers=numbers_text(horizon_days),
        tabs=tuple(
            (replace(query, show=show, page=1).address, name, show == query.show)
            for show, (name, _) in titles.items()
        ),
        choices=(*_choices(values.of(store), query), *_grid_choices(definition.grid, query)),
        leads=tuple(leads),
        first=first,
        place=f"{first:,} to {first + len(leads) - 1:,} of {_total(found)}",
        previous_page=replace(query, page=found.page - 1).address if found.page > 1 else "",
        next_page=replace(query, page=found.page + 1).address if has_next else "",
        most_exported=f"{MAX_EXPORTED_LEADS:,}",
        empty=_empty(query),
    )


def _choices(values: tuple[list[str], list[str]], query: InboxQuery) -> tuple[FilterOption, ...]:
    """The filters that have something to choose from, or are set."""
    owners, sources = values
    choices = []
    for name, label, everything, options, chosen in (
        ("owner", "Owner", "All owners", owners, query.owner),
        ("source", "Source", "All sources", sources, query.source),
    ):
        missing = [chosen] if chosen and chosen not in options else []
        if options or missing:
            choices.append(FilterOption(name, label, everything, (*options, *missing), chosen))
    return tuple(choices)


def _grid_choices(grid: Grid | None, query: InboxQuery) -> tuple[FilterOption, ...]:
    """The filter by fit and engagement and the order by both, where the definition has a grid."""
    if grid is None:
        return ()
    words = {cell: cell for cell in CELLS}
    words |= {name: f"Fit {name}" for name in FIT}
    words |= {name: f"Engagement {name}" for name in ENGAGEMENT}
    words |= {name: f"{words[name]}: {grid.says(name)}" for name in NAMES if grid.says(name)}
    return (
        FilterOption("grid", "Fit and engagement", "Any", NAMES, query.grid, words),
        FilterOption(
            "sort",
            "Order",
            "Most likely first",
            ("grid",),
            "" if query.sort == "probability" else query.sort,
            {"grid": "A1 to D4"},
        ),
    )


def _total(found: LeadPage) -> str:
    return f"more than {found.total:,}" if found.uncounted else f"{found.total:,}"


def _summary(query: InboxQuery, found: LeadPage) -> str:
    leads = "lead" if found.total == 1 else "leads"
    waiting = " waiting for your answer" if query.show == "today" else ""
    total = _total(found)
    order = "most likely to be won first"
    if query.sort == "grid":
        order = "from A1 to D4, and in each cell the most likely first"
    return f"{total[:1].upper()}{total[1:]} {leads}{waiting}, {order}."


def _empty(query: InboxQuery) -> Empty:
    if query.filtered:
        return Empty(
            "No matching leads",
            "Try a shorter search, or another choice.",
            query.unfiltered.address,
            "Clear filters",
        )
    if query.show == "today":
        return Empty(
            "You’re all caught up",
            "Every lead handed over to sales has been answered. New leads appear here as soon as"
            " they are scored, answered ones when they come back.",
            InboxQuery("all").address,
            "See all leads",
        )
    if query.for_marketing:
        return Empty(
            "No leads here yet",
            "Leads that are not handed over yet, and those that sales gives back, are listed here.",
            InboxQuery("marketing").address,
            "See all leads for marketing",
        )
    if query.show == "all":
        return Empty(
            "No leads yet",
            "Leads appear here once they are scored, on the command line or through the API.",
        )
    return Empty(
        "No leads here yet", "Leads with this answer are listed here.", "/", "Go to today’s leads"
    )
