"""Which column plays which role: id, person, dates, source, owner, account and amount.

A column is proposed by its name (of the vendor, of other CRMs, or by the meaning of its words) and
taken only if its content agrees; where no name is known, clear content is enough. What was
proposed and not taken is kept with the reason. The outcome is found before, in `outcome`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from winnable.core.columns import BoolArray
from winnable.core.identity import account_key
from winnable.core.text import counted
from winnable.data.autodetect.content import (
    MIN_DATE_SHARE,
    DateColumns,
    Guess,
    dates_share,
    is_choice,
    is_key,
    is_mail,
    numbers_share,
)
from winnable.data.autodetect.end_dates import last_change, losing_date
from winnable.data.autodetect.glossary import Concept, concepts, plain_names
from winnable.data.autodetect.lexicon import NO, YES, meaning_of_source
from winnable.data.autodetect.vendors import ROLES, Vendor
from winnable.data.ingestion.lead_keys import LeadKeys

MIN_ROWS = 20
"""Rows of a kind (ended, open) that a column without a known name is judged by."""

MIN_FILLED = 0.5
"""Of all leads (of all ended leads), at least this share has the date of creation (of closing)."""

MIN_NAMED = 0.5
MIN_NAMED_IN_HISTORY = 0.02
"""Of the rows of an activity log and of a history, the share that must be of leads that the id
finds; a history is often one of many more leads than were exported."""

MAX_BEFORE = 0.2
"""The share of leads that may have been closed before they were created, by mistake."""

MIN_EVIDENT = 0.8
MAX_STRAY = 0.02
"""A column without a known name is a closing date if this share of ended leads has it, and at most
that of the others."""

BY_MEANING = "the meaning of its name"

_CONCEPTS: dict[str, tuple[Concept, ...]] = {
    "id": ("id",),
    "person": ("email",),
    "created": ("created",),
    "closed": ("closed", "won"),
    "source": ("source",),
    "owner": ("owner",),
    "account": ("account",),
    "amount": ("amount",),
}
_CONTRARY: dict[str, frozenset[Concept]] = {
    "id": frozenset({"contact data", "owner", "account", "source", "created", "closed"}),
    "person": frozenset({"owner"}),
    "created": frozenset({"changed", "last", "expected", "closed", "won", "lost", "birth"}),
    "closed": frozenset({"changed", "last", "expected", "created", "birth"}),
    "source": frozenset({"id", "owner"}),
    "owner": frozenset({"id", "changed", "email"}),
    "account": frozenset({"id", "owner", "contact data", "amount"}),
    "amount": frozenset({"id", "expected", "changed"}),
}
"""Words that tell against a role, for a column whose whole name is not known."""


@dataclass(frozen=True)
class Roles:
    """The column of each role, and for each role the sentences on columns that were not taken."""

    found: dict[str, Guess] = field(default_factory=dict)
    dropped: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class RoleSearch:
    """Finds the roles of an export; `won` and `lost` have shape (leads,), `taken` are columns that
    play another role or none. `vendor`, `log` (its activities) and `past` (its field history) are
    None where there are none."""

    data: pd.DataFrame
    vendor: Vendor | None
    won: BoolArray
    lost: BoolArray
    log: pd.DataFrame | None
    dates: DateColumns
    taken: set[str]
    has_open: bool = True
    past: pd.DataFrame | None = None
    found: dict[str, Guess] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> Roles:
        """The best column for each role, no column twice; a role that nothing fits is left out."""
        tests: dict[str, Callable[[str], str | None]] = {
            "id": self._why_not_id,
            "person": self._why_not_person,
            "created": self._why_not_created,
            "closed": self._why_not_closed,
            "source": self._why_not_source,
            "owner": self._why_not_choice,
            "account": self._why_not_account,
            "amount": self._why_not_numbers,
            "consent": self._why_not_consent,
        }
        for role, why_not in tests.items():
            guess = self._by_name(role, why_not) or self._by_content(role)
            if guess is not None:
                self.found[role] = guess
                self.taken.add(guess.column)
        self._use_person_as_id()
        self.found.update(self._other_end_dates())
        dropped = {
            role: tuple(reasons) for role, reasons in self.dropped.items() if role not in self.found
        }
        return Roles(dict(self.found), dropped)

    def _use_person_as_id(self) -> None:
        """Where no column is an id, the address that each lead has of its own."""
        person = self.found.get("person")
        if "id" in self.found or person is None or not is_mail(self.data[person.column]):
            return
        address = self.data[person.column]
        if address.is_unique and self._why_not_id(person.column) is None:
            reason = "there is no other id, and no two leads have the same address"
            self.found["id"] = Guess(person.column, reason)

    def _by_name(self, role: str, why_not: Callable[[str], str | None]) -> Guess | None:
        for name, called in self._named(role):
            fault = why_not(name)
            if fault is None:
                return Guess(name, f"{called}, {self._evidence(role, name)}")
            if fault and (called != BY_MEANING or role in ("created", "closed")):
                self.dropped.setdefault(role, []).append(f"'{name}' is not it: {fault}")
        return None

    def _named(self, role: str) -> Iterator[tuple[str, str]]:
        """The free columns whose names fit, the most certain name first, and how they fit."""
        exact: dict[str, str] = {}
        for rank in (1, 0):
            for column in reversed(self.data.columns):
                names = plain_names(str(column))
                exact.update(dict.fromkeys(names[:1] if rank == 0 else names[1:], column))
        given = self.vendor.roles.get(role, ()) if self.vendor else ()
        seen = set(self.taken)
        by_vendor = f"named as in {self.vendor.name}" if self.vendor else ""
        for plain in dict.fromkeys((*given, *ROLES.get(role, ()))):
            name = exact.get(plain)
            if name is not None and name not in seen:
                seen.add(name)
                yield name, by_vendor if plain in given else "its name"
        fitting = [
            name
            for name in self.data.columns
            if name not in seen
            and concepts(name) & set(_CONCEPTS.get(role, ()))
            and not concepts(name) & _CONTRARY.get(role, frozenset())
        ]
        for name in sorted(fitting, key=lambda name: -self._fit(role, name)):
            yield name, BY_MEANING

    def _fit(self, role: str, name: str) -> float:
        """How well the content of a column fits, to order columns with names of equal rank."""
        column = self.data[name]
        if role in ("created", "closed") and not self.dates.is_date(name):
            return -1.0
        if role == "created":
            return float(column.notna().mean()) + self.dates.share_first(name)
        if role == "closed":
            return self._filled(name, self._ended) - self._filled(name, ~self._ended)
        if role == "id":
            return float("record" in concepts(name)) + column.nunique() / max(len(column), 1)
        return float(column.notna().mean())

    def _by_content(self, role: str) -> Guess | None:
        """A column of an unknown name whose content leaves little doubt."""
        free = [name for name in self.data.columns if name not in self.taken]
        if len(self.data) < MIN_ROWS:
            return None
        if role == "id":
            keys = (name for name in free if is_key(self.data[name]))
            name = next((name for name in keys if self._why_not_id(name) is None), None)
            return None if name is None else Guess(name, f"{self._evidence(role, name)}: a key")
        if role in ("person", "account"):
            return self._by_mail(free) if role == "person" else self._by_domain(free)
        if role == "created":
            return self._first_date(free)
        if role == "closed":
            return self._last_date(free)
        return self._by_words_of_sources(free) if role == "source" else None

    def _by_mail(self, free: list[str]) -> Guess | None:
        for name in free:
            column = self.data[name]
            of_leads = column.nunique() > 0.3 * column.notna().sum()
            if is_mail(column) and of_leads and not concepts(name) & _CONTRARY["person"]:
                return Guess(name, f"e-mail addresses, {self._evidence('person', name)}")
        return None

    def _by_domain(self, free: list[str]) -> Guess | None:
        """The column of e-mail addresses, where people share a domain of their own."""
        person = self.found.get("person")
        for name in (*(() if person is None else (person.column,)), *free):
            if not is_mail(self.data[name]):
                continue
            domains = self.data[name].map(account_key, na_action="ignore").dropna()
            shared = int(domains.duplicated(keep=False).sum())
            if min(shared, domains.nunique()) >= MIN_ROWS:
                return Guess(name, f"{counted(shared, 'lead')} share the domain of their address")
        return None

    def _first_date(self, free: list[str]) -> Guess | None:
        """The date that nearly every lead has and that lies before its other dates."""
        possible = [
            name
            for name in free
            if name in self.dates.names
            and self.data[name].notna().mean() >= MIN_DATE_SHARE
            and not concepts(name) & _CONTRARY["created"]
            and self._why_not_created(name) is None
            and self.dates.share_first(name) >= MIN_EVIDENT
        ]
        best = max(possible, key=self.dates.share_first, default=None)
        if best is None:
            return None
        first = " before its other dates" if len(self.dates.names) > 1 else ""
        return Guess(best, f"{self._evidence('created', best)}{first}")

    def _last_date(self, free: list[str]) -> Guess | None:
        """The date that only ended leads have."""
        for group, label in ((self._ended, "won or lost"), (self.won, "won")):
            if min(int(group.sum()), int((~group).sum())) < MIN_ROWS:
                continue
            for name in free:
                if (
                    name in self.dates.names
                    and not concepts(name) & _CONTRARY["closed"]
                    and self._filled(name, group) >= MIN_EVIDENT
                    and self._filled(name, ~group) <= MAX_STRAY
                    and self._why_not_closed(name) is None
                ):
                    have = int((self.data[name].notna() & group).sum())
                    return Guess(
                        name, f"{have:,} of {int(group.sum()):,} {label} leads have it, others not"
                    )
        return None

    def _by_words_of_sources(self, free: list[str]) -> Guess | None:
        for name in free:
            column = self.data[name]
            if self._why_not_source(name) is not None:
                continue
            known = column.dropna()
            usual = [word for word in known.unique() if meaning_of_source(word)]
            if len(known) and known.isin(usual).mean() >= MIN_EVIDENT:
                return Guess(name, f"its values are sources, {self._evidence('source', name)}")
        return None

    @property
    def _ended(self) -> BoolArray:
        return self.won | self.lost

    def _filled(self, name: str, rows: BoolArray) -> float:
        return float(self.data[name].notna().to_numpy()[rows].mean()) if rows.any() else 0.0

    def _why_not_id(self, name: str) -> str | None:
        column = self.data[name]
        if not len(column):
            return None
        filled = int(column.notna().sum())
        different = column.nunique()
        if filled < 0.99 * len(column):
            return f"{counted(len(column) - filled, 'lead')} without it"
        if different < 0.9 * filled:
            return f"{different:,} different values in {len(column):,} rows"
        if self.log is not None and not _names_leads(column, self.log, MIN_NAMED):
            return "the activities do not refer to leads by it"
        if self.past is not None and not _names_leads(column, self.past, MIN_NAMED_IN_HISTORY):
            return "the history does not refer to leads by it"
        return None

    def _why_not_person(self, name: str) -> str | None:
        column = self.data[name]
        if not len(column):
            return None
        if column.nunique() < 2:
            return "it has one value"
        is_flag = column.nunique() <= 0.1 * column.notna().sum() and not is_mail(column)
        return "its values are no addresses" if is_flag and "email" in concepts(name) else None

    def _why_not_date(self, name: str) -> str | None:
        """Empty where a column has no dates at all: then its name meant something else."""
        return "" if len(self.data) and not self.dates.is_date(name) else None

    def _why_not_created(self, name: str) -> str | None:
        column = self.data[name]
        fault = self._why_not_date(name)
        if fault is not None or not len(column):
            return fault
        filled = float(column.notna().mean())
        if filled < MIN_FILLED:
            return f"only {100 * filled:.0f}% of the leads have it"
        for other in self._evident_ends(name):
            after = self.dates.share_before(other, name)
            if after > MAX_BEFORE:
                return f"it lies after '{other}' in {100 * after:.0f}% of the leads"
        return None

    def _evident_ends(self, name: str) -> list[str]:
        """Other dates that by their content are closing dates: ended leads have them, open ones
        not."""
        ended = self._ended
        others = ~ended
        if min(int(ended.sum()), int(others.sum())) < MIN_ROWS:
            return []
        return [
            other
            for other in self.dates.names
            if other not in (name, *self.taken)
            and self._filled(other, ended) >= MIN_EVIDENT
            and self._filled(other, others) <= MAX_STRAY
        ]

    def _why_not_closed(self, name: str) -> str | None:
        fault = self._why_not_date(name)
        if fault is not None or not len(self.data):
            return fault
        if self._ended.any() and self._filled(name, self._ended) < MAX_STRAY:
            return "hardly any won or lost lead has it"
        created = self.found.get("created")
        if created is not None:
            before = self.dates.share_before(name, created.column)
            if before > MAX_BEFORE:
                return f"it lies before '{created.column}' in {100 * before:.0f}% of the leads"
        return None

    def _why_not_choice(self, name: str) -> str | None:
        column = self.data[name]
        return None if not len(column) or is_choice(column) else ""

    def _why_not_source(self, name: str) -> str | None:
        column = self.data[name]
        if not len(column) or (is_choice(column) and numbers_share(column) <= 0.9):
            return None
        return "" if dates_share(column) >= MIN_DATE_SHARE else "its values are no choice of words"

    def _why_not_account(self, name: str) -> str | None:
        """Numbers are an account only where the name says that they are its ids."""
        column = self.data[name]
        if not len(column):
            return None
        may_be_numbers = "id" in concepts(name) or plain_names(str(name))[0].endswith("id")
        is_words = may_be_numbers or numbers_share(column) < 0.5
        fits = is_words and not self.dates.is_date(name) and not is_mail(column)
        return None if fits and column.nunique() > 2 else ""

    def _why_not_numbers(self, name: str) -> str | None:
        column = self.data[name]
        return None if not len(column) or numbers_share(column) >= 0.9 else ""

    def _why_not_consent(self, name: str) -> str | None:
        """A consent column holds yes or no in nearly every row: where it is empty, nobody could be
        contacted."""
        column = self.data[name]
        plain = {str(value).casefold() for value in column.dropna().unique()}
        if not plain or not plain <= YES | NO:
            return ""
        filled = float(column.notna().mean())
        return None if filled >= 0.95 else f"only {100 * filled:.0f}% of the leads have it"

    def _evidence(self, role: str, name: str) -> str:
        """What the content of a column says for a role, in words."""
        column = self.data[name]
        filled = int(column.notna().sum())
        different = f"{column.nunique():,} different values"
        if not len(column):
            return "and there are no rows to check"
        if role in ("created", "closed"):
            return f"{filled:,} of {len(column):,} leads have a date"
        if role == "id":
            unique = column.nunique() == len(column)
            return "unique for every lead" if unique else f"{different} in {len(column):,} rows"
        if role == "consent":
            return f"yes or no in {'every' if column.notna().all() else 'nearly every'} row"
        return f"{different} in {filled:,} leads" if role == "person" else different

    def _other_end_dates(self) -> dict[str, Guess]:
        """The date of losing and that of the last change, where leads are dated at all."""
        if "created" not in self.found or not self.has_open:
            return {}
        free: dict[str, str] = {}
        for name in reversed(self.data.columns):
            if name not in self.taken:
                free.update(dict.fromkeys(plain_names(str(name)), name))
        found = {}
        losing = losing_date(free, self.data, self.lost, self.won)
        if losing is not None:
            found["closed_lost"] = Guess(*losing)
        columns = [guess.column for guess in (self.found.get("closed"), *found.values()) if guess]
        dated = self.data[columns].notna().any(axis=1).to_numpy()
        changed = last_change(free, self.data, self._ended & ~dated)
        if changed is not None:
            found["changed"] = Guess(*changed)
        return found


def _names_leads(ids: pd.Series[str], log: pd.DataFrame, least: float) -> bool:
    """Whether some column of a log refers to leads by these ids, in more than this share of its
    rows."""
    leads = LeadKeys(ids.dropna())
    named = (log[name].dropna() for name in log.columns)
    return any((leads.find(column).counts > 0).mean() > least for column in named if len(column))
