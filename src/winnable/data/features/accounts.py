"""What is known at a time of the other leads of a lead's account: who of them was active, what they
did, how they ended, and since when they are known.

Only what was known strictly before the time counts, and never what the lead itself did. A lead of
no known account has none of this, which is not the same as an account without others: the values
are missing, not zero. So they are for a request that does not tell them, and for an export that
shows too little of the accounts' past (`AccountScope`). How much they say is decided in
`learning.model.account_effect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import (
    ACCOUNT,
    CREATED,
    ID,
    KIND,
    PERSON,
    STATUS,
    BoolArray,
    Column,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.identity import account_key, normal_email
from winnable.core.timestamps import DAY, NEVER, known_times, times_of
from winnable.definition.decide.junk import contact_columns
from winnable.definition.schema import Definition, Junk

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.features.episodes import Episodes
    from winnable.data.ingestion.crm import Crm

ACCOUNT_HISTORY = "account_history"
"""The member of a lead in a request that tells what is known of its account."""

ACTIVE_DAYS = (30, 90)
INTENT_DAYS = 90

FACTS = {
    "others_active_30_days": "other people of the account active in 30 days",
    "others_active_90_days": "other people of the account active in 90 days",
    "others_intent_90_days": "signs of intent by others of the account in 90 days",
    "won": "earlier wins of the account",
    "lost": "earlier losses of the account",
    "days_known": "days since the first other lead of the account",
}
"""The names of the facts in a request, and of the features, which reasons show as well."""

ACCOUNT_COLUMNS = tuple(FACTS.values())
ACTIVE_30, ACTIVE_90, INTENT_90, WON, LOST, DAYS_KNOWN = ACCOUNT_COLUMNS

MIN_COVERAGE = 0.5
"""An export that is to be scored knows the accounts' past if it covers at least this share of the
days of the training's export, and has this share of its closed leads."""


@dataclass(frozen=True)
class AccountScope:
    """How much of the accounts' past the export showed that a model was trained on: the `days` from
    its first to its last creation, and the share of its leads that were `closed`."""

    days: float
    closed: float

    @classmethod
    def of(cls, definition: Definition, crm: Crm) -> AccountScope:
        """The scope of an export."""
        if not {CREATED, STATUS} <= set(crm.leads.columns) or not len(crm.leads):
            return cls(0.0, 0.0)
        created = times_of(crm.leads[CREATED])
        created = created[created != NEVER]
        outcome = definition.outcome
        closed = crm.leads[STATUS].isin([*outcome.won, *outcome.lost])
        days = float(np.ptp(created)) / DAY if len(created) else 0.0
        return cls(days, float(closed.mean()))

    def is_covered_by(self, other: AccountScope) -> bool:
        """Whether another export shows the accounts' past as well as this one did."""
        return other.days >= MIN_COVERAGE * self.days and other.closed >= MIN_COVERAGE * self.closed


def account_keys(crm: Crm) -> list[str | None]:
    """The account of each lead, None where it is not known.

    A lead without a name of its account belongs to the one account of its address's domain, if
    there is exactly one, else to the domain itself.
    """
    if ACCOUNT not in crm.leads:
        return [None] * len(crm.leads)
    keys = _keys_of(crm.leads[ACCOUNT], account_key)
    if all(keys):
        return keys
    domains = _domains(crm)
    owners: dict[str, set[str]] = {}
    for domain, key in zip(domains, keys, strict=True):
        if domain and key:
            owners.setdefault(domain, set()).add(key)
    only = {domain: next(iter(keys)) for domain, keys in owners.items() if len(keys) == 1}
    return [
        key or (None if domain is None else only.get(domain, domain))
        for key, domain in zip(keys, domains, strict=True)
    ]


def _keys_of(column: pd.Series[str], key: Callable[[str], str | None]) -> list[str | None]:
    """The keys of a column, each distinct value looked at once."""
    known = {value: key(value) for value in column.dropna().unique()}
    return [known.get(value) for value in column.to_list()]


def _domains(crm: Crm) -> list[str | None]:
    """The domain of each lead's address where that tells an account, else None."""

    def domain(value: str) -> str | None:
        return account_key(value) if normal_email(value) else None

    named = [PERSON] if PERSON in crm.leads else []
    found: list[str | None] = [None] * len(crm.leads)
    for column in (*named, *contact_columns(Junk(), crm.leads.columns).email):
        theirs = _keys_of(crm.leads[column], domain)
        found = [one or other for one, other in zip(found, theirs, strict=True)]
    return found


@dataclass(frozen=True)
class AccountHistory:
    """What happened in the accounts of an export, for questions (lead, time).

    `account` (number of leads,) numbers the account of each lead, -1 where it is not known;
    `member` numbers the people of accounts likewise. `first` (number of leads,) is when the first
    other lead of the account was created, in microseconds, far in the future if there is none. The
    events are counted by account, by member or by lead, so that one's own can be taken away.
    """

    account: IntArray
    member: IntArray
    first: IntArray
    active: Mapping[int, tuple[_Events, _Events, _Events, _Events]]
    intent: tuple[_Events, _Events]
    ended: tuple[tuple[_Events, _Events], tuple[_Events, _Events]]

    @classmethod
    def of(
        cls, definition: Definition, crm: Crm, person: IntArray, episodes: Episodes | None
    ) -> AccountHistory:
        """The history of an export's accounts; `person` (number of leads,) is what `persons` in
        `training_rows` answers."""
        import pandas as pd

        account = pd.factorize(pd.Series(account_keys(crm), dtype="str"))[0].astype(np.int64)
        created = times_of(crm.leads[CREATED])
        pairs = account * (person.max(initial=0) + 1) + person
        member = np.where(account < 0, -1, np.unique(pairs, return_inverse=True)[1])
        lead, at, intent = _acts(definition, crm, created)
        shared = account[lead] >= 0
        lead, at, intent = lead[shared], at[shared], intent[shared]
        return cls(
            account,
            member,
            _first_other(account, created),
            {days: _activity(account, member, lead, at, days) for days in ACTIVE_DAYS},
            (
                _Events.of(account[lead[intent]], at[intent]),
                _Events.of(member[lead[intent]], at[intent]),
            ),
            (_endings(account, episodes, 1.0), _endings(account, episodes, 0.0)),
        )

    def at(self, leads: IntArray, as_of: IntArray) -> dict[str, FloatArray]:
        """The facts of rows (lead, time), positions and microseconds of shape (n,), by their names
        in `FACTS`; NaN where the account is not known."""
        account = self.account[leads]
        member = self.member[leads]
        facts = {}
        for days, (starts, ends, own_starts, own_ends) in self.active.items():
            everyone = starts.before(account, as_of) - ends.before(account, as_of)
            oneself = own_starts.before(member, as_of) - own_ends.before(member, as_of)
            facts[f"others_active_{days}_days"] = everyone - oneself
        since = as_of - INTENT_DAYS * DAY
        theirs, own = (
            events.before(of, as_of) - events.before(of, since)
            for events, of in zip(self.intent, (account, member), strict=True)
        )
        facts[f"others_intent_{INTENT_DAYS}_days"] = theirs - own
        for name, (by_account, by_lead) in zip(("won", "lost"), self.ended, strict=True):
            facts[name] = by_account.before(account, as_of) - by_lead.before(leads, as_of)
        known = account >= 0
        days_known = (as_of - np.minimum(self.first[leads], as_of)) / DAY
        values = {name: fact.astype(np.float64) for name, fact in facts.items()}
        values["days_known"] = days_known
        return {name: np.where(known, values[name], np.nan) for name in FACTS}


def account_columns(facts: Mapping[str, FloatArray]) -> dict[str, Column]:
    """The facts as features."""
    return {FACTS[name]: NumericColumn(values) for name, values in facts.items()}


def unknown_accounts(size: int) -> dict[str, Column]:
    """The features of leads of whose accounts nothing is known."""
    return account_columns(dict.fromkeys(FACTS, np.full(size, np.nan)))


def told_accounts(told: Sequence[object]) -> dict[str, Column]:
    """The features of leads of a request, each with what it tells under `ACCOUNT_HISTORY`, None
    where it does not."""
    if not any(told):
        return unknown_accounts(len(told))
    values = [
        [facts[name] for name in FACTS] if isinstance(facts, Mapping) else [np.nan] * len(FACTS)
        for facts in told
    ]
    table = np.asarray(values, dtype=np.float64)
    return account_columns({name: table[:, place] for place, name in enumerate(FACTS)})


@dataclass(frozen=True)
class _Events:
    """m events of owners, as sorted keys of owner and rank of time."""

    keys: IntArray
    moments: IntArray

    @classmethod
    def of(cls, owner: IntArray, at: IntArray) -> _Events:
        moments = np.unique(at)
        ranks = np.searchsorted(moments, at)
        return cls(np.sort(owner * (len(moments) + 1) + ranks), moments)

    def before(self, owner: IntArray, as_of: IntArray) -> IntArray:
        """How many events each owner had strictly before a time, shape (n,)."""
        start = owner * (len(self.moments) + 1)
        until = start + np.searchsorted(self.moments, as_of)
        return np.searchsorted(self.keys, until) - np.searchsorted(self.keys, start)


def _first_other(account: IntArray, created: IntArray) -> IntArray:
    """For each lead when the first other lead of its account was created; far in the future if
    there is none. Both arrays have shape (number of leads,)."""
    far = np.iinfo(np.int64).max
    rows = np.flatnonzero((account >= 0) & (created != NEVER))
    rows = rows[np.lexsort((created[rows], account[rows]))]
    is_first = np.append(True, account[rows][1:] != account[rows][:-1])[: len(rows)]
    size = account.max(initial=-1) + 2
    first = np.full(size, far)
    second = np.full(size, far)
    first[account[rows[is_first]]] = created[rows[is_first]]
    is_second = np.append(False, is_first[:-1])[: len(rows)] & ~is_first
    second[account[rows[is_second]]] = created[rows[is_second]]
    found = first[account]
    found[rows[is_first]] = second[account[rows[is_first]]]
    return found


def _acts(
    definition: Definition, crm: Crm, created: IntArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """Everything that leads did, their creation included: the lead, when it became known, and
    whether it shows intent. An activity is nobody's before its lead is created."""
    import pandas as pd

    lead = np.flatnonzero(created != NEVER)
    at = created[lead]
    intent = np.zeros(len(lead), dtype=np.bool_)
    if crm.activities is None:
        return lead, at, intent
    ids = pd.Index(crm.leads[ID].drop_duplicates())
    place = np.flatnonzero(~crm.leads[ID].duplicated().to_numpy())
    found = ids.get_indexer(pd.Index(crm.activities[ID]))
    mine = found >= 0
    doer = place[found[mine]]
    known = np.maximum(known_times(crm.activities)[mine], created[doer])
    kinds = crm.activities[KIND][mine].isin(definition.activities.intent).to_numpy(dtype=np.bool_)
    return (
        np.concatenate([lead, doer]),
        np.concatenate([at, known]),
        np.concatenate([intent, kinds]),
    )


def _activity(
    account: IntArray, member: IntArray, lead: IntArray, at: IntArray, days: int
) -> tuple[_Events, _Events, _Events, _Events]:
    """When people of accounts begin and cease to be active, by account and by member.

    Who did something is active for so many days; what they do within these goes on with it.
    """
    who = member[lead]
    order = np.lexsort((at, who))
    who, at, of = who[order], at[order], account[lead][order]
    following = np.append(at[1:], np.iinfo(np.int64).max)[: len(at)]
    last = np.append(who[1:] != who[:-1], True)[: len(who)]
    end = np.where(last, at + days * DAY, np.minimum(following, at + days * DAY))
    return (
        _Events.of(of, at),
        _Events.of(of, end),
        _Events.of(who, at),
        _Events.of(who, end),
    )


def _endings(
    account: IntArray, episodes: Episodes | None, outcome: float
) -> tuple[_Events, _Events]:
    """The ends of this outcome (1.0 won, 0.0 lost) by account and by lead."""
    if episodes is None:
        none = np.zeros(0, dtype=np.int64)
        return _Events.of(none, none), _Events.of(none, none)
    chosen = (episodes.outcome == outcome) & (episodes.end != NEVER)
    chosen &= account[episodes.lead] >= 0
    lead = episodes.lead[chosen]
    end = episodes.end[chosen]
    return _Events.of(account[lead], end), _Events.of(lead, end)
