"""What is known of the others of a lead's account: row by row, as a naive reader would count it,
and the same in a request."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import winnable
from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import (
    ACCOUNT_HISTORY,
    FACTS,
    AccountScope,
    account_keys,
)
from winnable.data.features.online import features_of_records
from winnable.definition.schema import Definition

START = datetime(2025, 1, 1, tzinfo=UTC)
DEFINITION = Definition.model_validate(
    {
        "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 90},
        "columns": {
            "id": "id",
            "person": "email",
            "account": "company",
            "created": "created",
            "closed": "closed",
            "status": "status",
        },
        "activities": {"intent": ["Demo"]},
        "stages": {"MQL": {"status": ["Open"]}},
    }
)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def written(number: float | None) -> str | None:
    return None if number is None else f"{day(number):%Y-%m-%d %H:%M:%S}"


Lead = tuple[str, str, str | None, float, float | None, str]
LEADS: list[Lead] = [
    # id, e-mail, company, created, closed, status
    ("A", "ann@acme.com", "Acme Inc.", 0, 40, "Won"),
    ("B", "bob@acme.com", "ACME", 50, None, "Open"),
    ("C", "cy@acme.com", "acme gmbh", 60, 70, "Lost"),
    ("B2", "bob@acme.com", "Acme", 65, None, "Open"),
    ("D", "dan@other.com", "Other", 50, None, "Open"),
    ("E", "eve@gmail.com", None, 50, None, "Open"),
]
ACTS = [("A", "Mail", 5), ("B", "Demo", 52), ("C", "Demo", 62), ("C", "Mail", 66)]


def data_of(leads: list[Lead] = LEADS, acts: list[tuple[str, str, float]] | None = None) -> Dataset:
    table = pd.DataFrame(leads, columns=["id", "email", "company", "created", "closed", "status"])
    for name in ("created", "closed"):
        table[name] = [written(None if pd.isna(value) else value) for value in table[name]]
    log = pd.DataFrame(ACTS if acts is None else acts, columns=["lead", "type", "at"])
    log["at"] = [written(value) for value in log["at"]]
    return winnable.read(table, log, definition=DEFINITION)


def facts(data: Dataset, lead: str, at: float) -> tuple[float, ...]:
    assert data.accounts is not None
    row = data.crm.leads["@id"].to_list().index(lead)
    found = data.accounts.at(np.array([row]), np.array([microseconds(day(at))]))
    return tuple(float(found[name][0]) for name in FACTS)


@pytest.mark.parametrize(
    ("lead", "at", "expected"),
    [
        # others active in 30 and 90 days, their intent in 90, won, lost, days they are known
        ("A", 0, (0, 0, 0, 0, 0, 0)),  # nobody is there yet
        ("A", 10, (0, 0, 0, 0, 0, 0)),  # what it does itself does not count
        ("B", 40, (0, 1, 0, 0, 0, 40)),  # won on that day, which is known only after it
        ("B", 50, (0, 1, 0, 1, 0, 50)),  # Ann was last active 45 days ago
        ("A", 51, (1, 1, 0, 0, 0, 1)),  # Bob arrived; the own win is not an earlier win
        ("C", 60, (1, 2, 1, 1, 0, 60)),  # Bob's demo; Ann was active 55 days ago
        ("B", 63, (1, 2, 1, 1, 0, 63)),  # Cy's demo, not the own
        ("B", 70, (1, 2, 1, 1, 0, 70)),  # Cy is lost on that day
        ("B", 71, (1, 2, 1, 1, 1, 71)),
        ("B2", 71, (1, 2, 1, 1, 1, 71)),  # the same person's other lead is not somebody else
        ("A", 71, (2, 2, 2, 0, 1, 21)),  # Bob counts once, in two leads
        ("A", 98, (0, 2, 2, 0, 1, 48)),  # Bob was last active on day 65, Cy on 66
        ("D", 71, (0, 0, 0, 0, 0, 0)),  # alone in its account
    ],
)
def test_worked_examples(lead: str, at: float, expected: tuple[float, ...]) -> None:
    assert facts(data_of(), lead, at) == expected


def test_no_account_is_not_an_account_without_others() -> None:
    assert np.isnan(facts(data_of(), "E", 71)).all()


def test_what_is_recorded_later_is_known_later() -> None:
    table = pd.DataFrame(
        {
            "id": ["A", "B"],
            "email": ["a@acme.com", "b@acme.com"],
            "company": ["Acme", "Acme"],
            "created": [written(0), written(0)],
            "closed": [None, None],
            "status": ["Open", "Open"],
        }
    )
    log = pd.DataFrame(
        {"lead": ["A"], "type": ["Demo"], "at": [written(10)], "recorded": [written(40)]}
    )
    definition = DEFINITION.model_copy(
        update={"activities": DEFINITION.activities.model_copy(update={"recorded": "recorded"})}
    )
    data = winnable.read(table, log, definition=definition)
    assert facts(data, "B", 35) == (0, 1, 0, 0, 0, 35)
    assert facts(data, "B", 45) == (1, 1, 1, 0, 0, 45)


def test_a_later_world_changes_nothing_that_was_known() -> None:
    later: list[Lead] = [("F", "flo@acme.com", "Acme", 72, 80, "Won")]
    more = data_of(LEADS + later, [*ACTS, ("A", "Demo", 75), ("F", "Demo", 73)])
    for lead in ("A", "B", "B2", "C", "D"):
        for at in (51.0, 63.0, 71.0):
            assert facts(more, lead, at) == facts(data_of(), lead, at)


def test_counts_equal_those_of_a_naive_reader() -> None:
    rng = np.random.default_rng(3)
    leads: list[Lead] = []
    for n in range(120):
        created = float(rng.integers(0, 200))
        closed = created + float(rng.integers(1, 60)) if rng.random() < 0.6 else None
        status = "Open" if closed is None else str(rng.choice(["Won", "Lost"]))
        mail, company = f"p{rng.integers(70)}@x{n % 9}.com", f"Firm {rng.integers(15)}"
        leads.append((f"L{n}", mail, company, created, closed, status))
    acts = [
        (f"L{rng.integers(120)}", str(rng.choice(["Demo", "Mail"])), float(rng.integers(0, 260)))
        for _ in range(500)
    ]
    data = data_of(leads, acts)
    assert data.accounts is not None
    rows = rng.integers(0, 120, 300)
    times = rng.integers(0, 260, 300)
    moments = np.array([microseconds(day(int(at))) for at in times])
    found = data.accounts.at(rows, moments)
    for place, (row, at) in enumerate(zip(rows.tolist(), times.tolist(), strict=True)):
        expected = naive(leads, acts, leads[row], at)
        assert [found[name][place] for name in FACTS] == pytest.approx(expected), (row, at)


def naive(
    leads: list[Lead], acts: list[tuple[str, str, float]], lead: Lead, at: float
) -> list[float]:
    """The facts, by going through everything for every question."""
    mine = [other for other in leads if other[2] == lead[2]]
    done = [(other, other[3], False) for other in mine]
    done += [
        (other, max(when, other[3]), kind == "Demo")
        for who, kind, when in acts
        for other in mine
        if other[0] == who
    ]
    others = [(o, w, i) for o, w, i in done if w < at and o[1] != lead[1]]
    ended = [o for o in mine if o is not lead and o[4] is not None and o[4] < at]
    first = min((o[3] for o in mine if o is not lead), default=at)
    return [
        len({o[1] for o, when, _ in others if at - when <= 30}),
        len({o[1] for o, when, _ in others if at - when <= 90}),
        sum(intent for _, when, intent in others if at - when <= 90),
        sum(o[5] == "Won" for o in ended),
        sum(o[5] == "Lost" for o in ended),
        max(at - first, 0),
    ]


def test_a_lead_without_a_company_belongs_to_the_one_account_of_its_domain() -> None:
    table = pd.DataFrame(
        {
            "id": list("ABCDEF"),
            "email": ["a@acme.com", "b@acme.com", "c@new.com", "d@gmail.com", "e@two.com", None],
            "company": ["Acme", None, None, None, "Two", None],
            "created": [written(0)] * 6,
            "closed": [None] * 6,
            "status": ["Open"] * 6,
        }
    )
    crm = winnable.read(table, definition=DEFINITION).crm
    assert account_keys(crm) == ["acme", "acme", "new.com", None, "two", None]


def test_a_request_that_tells_what_is_known_of_the_account_gets_the_same_features() -> None:
    data = data_of()
    plan = data.feature_plan()
    rows = np.array([1, 2, 4, 5])
    moment = day(71)
    offline = data.features(plan, rows, np.full(4, microseconds(moment)))
    assert data.accounts is not None
    known = data.accounts.at(rows, np.full(4, microseconds(moment)))
    told = [{name: float(known[name][row]) for name in FACTS} for row in range(3)]
    records = [{ACCOUNT_HISTORY: each} for each in told] + [{}]
    online = features_of_records(plan, DEFINITION, records, [()] * 4, [moment] * 4)
    for name in FACTS.values():
        assert np.array_equal(offline.numbers(name), online.numbers(name), equal_nan=True)


def test_an_export_without_the_past_does_not_look_like_accounts_without_a_past() -> None:
    data = data_of()
    plan = data.feature_plan()
    assert plan.accounts == AccountScope(65.0, pytest.approx(2 / 6))
    opened = data_of([lead for lead in LEADS if lead[5] == "Open"])
    assert not opened.knows_accounts_of(plan)
    features = opened.features(plan, np.array([0]), np.array([microseconds(day(71))]))
    assert all(np.isnan(features.numbers(name)).all() for name in FACTS.values())
    assert data.knows_accounts_of(plan)


def test_without_the_role_there_are_no_features_of_accounts() -> None:
    roles = DEFINITION.columns.model_copy(update={"account": None})
    definition = DEFINITION.model_copy(update={"columns": roles})
    leads = data_of().crm.leads[["id", "email", "company", "created", "closed", "status"]]
    data = winnable.read(leads, definition=definition)
    assert data.accounts is None
    assert data.feature_plan().accounts is None
