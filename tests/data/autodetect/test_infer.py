"""A first definition is inferred from exports as vendors make them, and from public histories;
it loads, with its reasons."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.autodetect.exports import EXPORTS, ROWS, cycled
from winnable.data.autodetect.draft import draft, write_draft
from winnable.data.autodetect.infer import guess
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DataError, StoreError


def written(folder: Path, columns: dict[str, object], rows: int = ROWS) -> str:
    pd.DataFrame(columns, index=range(ROWS)).head(rows).to_csv(folder / "leads.csv", index=False)
    return str(folder / "leads.csv")


def defined(source: str, *more: str) -> Definition:
    return definition_from(tomllib.loads(draft(guess(source, *more))), "test")


@pytest.mark.parametrize("name", EXPORTS)
def test_a_vendors_export_is_recognized_and_can_be_read(name: str, tmp_path: Path) -> None:
    columns, expected = EXPORTS[name]
    source = written(tmp_path, columns)
    guesses = guess(source)
    definition = defined(source)
    assert guesses.vendor is not None
    assert guesses.vendor.name == expected["vendor"]
    for role in ("status", "id", "person", "created", "closed", "source", "consent"):
        if role in expected:
            assert getattr(definition.columns, role) == expected[role], role
    assert set(definition.outcome.won) == set(expected["won"])
    assert set(definition.outcome.lost) == set(expected.get("lost", definition.outcome.lost))
    unused = {*definition.columns.ignore, definition.columns.changed}
    assert set(expected["ignore"]) <= unused
    crm = read_crm(definition, source)
    assert len(crm.leads) == ROWS
    assert crm.leads["@status"].isin(definition.outcome.won).any()


@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "Zoho leads"])
def test_the_header_alone_gives_the_vendors_own_statuses(name: str, tmp_path: Path) -> None:
    columns, expected = EXPORTS[name]
    definition = defined(written(tmp_path, columns, rows=0))
    assert definition.outcome.won
    assert definition.columns.status == expected["status"]


def test_a_german_export_of_no_vendor_is_read_by_its_names(tmp_path: Path) -> None:
    rows = range(ROWS)
    columns: dict[str, object] = {
        "Lead-Nr": [1000 + row for row in rows],
        "E-Mail": [f"anna{row}@firma{row % 7}.example" for row in rows],
        "Quelle": cycled("Messe", "Web", "Empfehlung"),
        "Status": cycled("Gewonnen", "Verloren", "Offen"),
        "Erstellt am": [f"{1 + row % 28:02d}.03.2025" for row in rows],
    }
    roles = defined(written(tmp_path, columns)).columns
    assert (roles.id, roles.person, roles.source, roles.created) == (
        "Lead-Nr",
        "E-Mail",
        "Quelle",
        "Erstellt am",
    )


def test_open_statuses_become_stages(tmp_path: Path) -> None:
    definition = defined(written(tmp_path, EXPORTS["HubSpot contacts"][0]))
    assert {name: stage.status for name, stage in definition.stages.items()} == {
        "MAL": ("Subscriber",),
        "MIL": ("Lead",),
        "MQL": ("Marketing Qualified Lead",),
        "SQL": ("Sales Qualified Lead",),
    }


def test_a_refusal_to_be_contacted_is_no_consent(tmp_path: Path) -> None:
    definition = defined(written(tmp_path, EXPORTS["Salesforce lead object"][0]))
    assert definition.gate.consent == ("false",)


@pytest.mark.parametrize(
    ("statuses", "won", "lost"),
    [
        (("Gewonnen", "Abgesagt", "In Verhandlung"), {"Gewonnen"}, {"Abgesagt"}),
        (
            ("Converted", "Not Converted", "Unqualified"),
            {"Converted"},
            {"Not Converted", "Unqualified"},
        ),
        (("Customer", "Lost customer", "New"), {"Customer"}, {"Lost customer"}),
        (("Qualified", "Disqualified", "New"), {"Qualified"}, {"Disqualified"}),
        (("closed_won", "closed_lost", "open"), {"closed_won"}, {"closed_lost"}),
        (
            ("Sold", "Junk Lead", "No longer interested"),
            {"Sold"},
            {"Junk Lead", "No longer interested"},
        ),
    ],
)
def test_words_of_statuses(
    statuses: tuple[str, ...], won: set[str], lost: set[str], tmp_path: Path
) -> None:
    definition = defined(written(tmp_path, {"key": np.arange(ROWS), "status": cycled(*statuses)}))
    assert set(definition.outcome.won) == won
    assert set(definition.outcome.lost) == lost


def test_a_column_that_only_won_leads_have_is_not_learned_from(tmp_path: Path) -> None:
    status = cycled("Won", "Lost", "New", "New")
    columns = {
        "key": np.arange(ROWS),
        "status": status,
        "Contact role": np.where(status == "Won", "Buyer", ""),
        "Branch": cycled("A", "B"),
    }
    definition = defined(written(tmp_path, columns))
    assert "Contact role" in definition.columns.ignore
    assert "Branch" not in definition.columns.ignore


def test_a_column_that_open_leads_often_lack_is_not_learned_from(tmp_path: Path) -> None:
    status = cycled("Won", "Lost", "New", "New")
    lacking = (status == "New") & (np.arange(ROWS) % 8 > 2)
    columns = {
        "key": np.arange(ROWS),
        "status": status,
        "account": np.where(lacking, "", "Acme"),
        "Branch": cycled("A", "B"),
    }
    assert "open ones" in guess(written(tmp_path, columns)).ignore["account"]


def test_fields_with_a_history_are_neither_fixed_nor_ignored(tmp_path: Path) -> None:
    columns = {
        "status": cycled("Won", "Lost"),
        "Rating": cycled("A", "B"),
        "Country": "DE",
        "Hobby": cycled("Chess", "Golf"),
    }
    source = written(tmp_path, {"id": np.arange(ROWS), **columns})
    (tmp_path / "history.csv").write_text(
        "id,at,field,old,new\n1,2024-01-01,Rating,,A\n1,2024-01-01,Country,,DE\n"
    )
    without, with_history = guess(source), guess(source, None, str(tmp_path / "history.csv"))
    assert ("Rating" in without.ignore, "Country" in without.fixed) == (True, True)
    assert ("Rating" in with_history.ignore, "Country" in with_history.fixed) == (False, False)
    # Of others nobody can say since when they have stood there; people who read the draft may.
    assert (without.untracked, with_history.untracked) == ((), ("Hobby",))
    assert "models do not use them unless they are listed as fixed: Hobby\n" in draft(with_history)


def test_kinds_of_activity_are_sorted_by_their_names(tmp_path: Path) -> None:
    source = written(tmp_path, {"Lead ID": np.arange(ROWS), "Status": cycled("Won", "Lost")})
    kinds = [
        "Pricing page",
        "Demo request",
        "E-book",
        "Webinar",
        "Event booth",
        "Email Opened",
        "Unsubscribed",
        "W_Nabellen",
    ]
    (tmp_path / "log.csv").write_text(
        "Lead ID,At,Type\n" + "".join(f"{i},2024-01-01,{kind}\n" for i, kind in enumerate(kinds))
    )
    definition = defined(source, str(tmp_path / "log.csv"))
    assert set(definition.activities.intent) == {"Pricing page", "Demo request"}
    assert set(definition.activities.interest) == {
        "E-book",
        "Webinar",
        "Event booth",
        "Email Opened",
    }


def test_where_nothing_tells_who_was_won_the_error_says_what_to_write(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        {
            "key": np.arange(ROWS),
            "city": cycled("Bonn", "Lyon"),
            "phase of moon": cycled("new", "full"),
        },
    )
    with pytest.raises(
        DataError, match="no column tells which leads were won; nearest are"
    ) as error:
        guess(source)
    for words in (
        "'city' (Bonn, Lyon)",
        'won = ["..."]',
        "join it to the leads on 'key'",
        "won_date",
    ):
        assert words in str(error.value)


def test_words_of_an_export_cannot_break_out_of_the_file(tmp_path: Path) -> None:
    name = 'Ev"il\\ \x7f ]\n[gate]\nprobability = 0.9 #'
    source = written(
        tmp_path,
        {
            "key": np.arange(ROWS),
            "status": cycled("Won", "Lost"),
            name: cycled("a", "b"),
            "Notes\r\nx": "y",
        },
    )
    definition = defined(source)
    assert definition.gate.probability is None
    assert any(column.startswith("Notes") for column in definition.columns.ignore)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "definition.toml"
    write_draft("first", target)
    with pytest.raises(StoreError, match="--force"):
        write_draft("second", target)
    assert target.read_text() == "first"
    write_draft("second", target, force=True)
    assert target.read_text() == "second"
    with pytest.raises(StoreError, match=r"cannot be written .* another --output"):
        write_draft("third", tmp_path / "no such folder" / "definition.toml")


def olist(folder: Path, joined: Path) -> str:
    """The two tables joined as the error tells people to."""
    leads = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(folder / "olist_closed_deals_dataset.csv")
    leads.merge(deals, how="left", on="mql_id").to_csv(joined, index=False)
    return str(joined)


def test_public_histories_need_no_edit(shared_data: Path, tmp_path: Path) -> None:
    maven = defined(str(shared_data / "maven-crm" / "sales_pipeline.csv"))
    assert (maven.outcome.won, maven.outcome.lost, maven.columns.created) == (
        ("Won",),
        ("Lost",),
        "engage_date",
    )
    assert {"close_value", "account"} <= set(maven.columns.ignore)
    education = defined(str(shared_data / "x-education" / "Leads.csv"))
    assert (education.columns.status, education.outcome.won, education.outcome.lost) == (
        "Converted",
        ("1",),
        ("0",),
    )
    assert {"Tags", "Lead Quality", "Last Activity", "Asymmetrique Profile Score"} <= set(
        education.columns.ignore
    )
    bank = defined(str(shared_data / "bank-marketing" / "bank-additional-full.csv"))
    assert (bank.columns.status, bank.outcome.won, bank.outcome.lost) == ("y", ("yes",), ("no",))
    assert "duration" in bank.columns.ignore
    loans = defined(
        str(shared_data / "bpi-2012" / "leads.csv.gz"),
        str(shared_data / "bpi-2012" / "activities.csv.gz"),
    )
    assert (loans.columns.id, loans.columns.created, loans.columns.closed) == (
        "lead_id",
        "created",
        "closed",
    )
    with pytest.raises(DataError, match="'origin'"):
        guess(
            str(
                shared_data
                / "olist-marketing-funnel"
                / "olist_marketing_qualified_leads_dataset.csv"
            )
        )
    source = olist(shared_data / "olist-marketing-funnel", tmp_path / "olist.csv")
    sellers = defined(source)
    assert (sellers.outcome.won, sellers.columns.status, sellers.columns.closed) == (
        ("*",),
        "won_date",
        "won_date",
    )
    assert {"seller_id", "sdr_id", "lead_type", "business_segment"} <= set(sellers.columns.ignore)
    assert (
        read_crm(sellers, source).leads["@status"] == "*"
    ).sum() == 841  # one was won before its first contact
