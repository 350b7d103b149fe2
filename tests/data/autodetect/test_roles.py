"""Roles are found in seven languages and six more CRMs, by name and by content; a name that the
content contradicts is not enough, and the reason is told."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import Guesses, guess

ROWS = 240
CREATED = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")
CLOSED = CREATED + pd.to_timedelta(5 + np.arange(ROWS) % 40, unit="D")
WON = np.arange(ROWS) % 4 == 0
LOST = np.arange(ROWS) % 4 == 1
ENDED = WON | LOST
MAILS = [f"p{row}@company{row % 60}.example" for row in range(ROWS)]
SOURCES = np.resize(["Alpha", "Beta", "Gamma"], ROWS)
OWNERS = np.resize(["Kim", "Ada", "Bo", "Cy"], ROWS)


def status(won: str, lost: str, opened: str) -> np.ndarray:
    return np.where(WON, won, np.where(LOST, lost, opened))


def only(rows: np.ndarray, values: Sequence[str]) -> list[str]:
    return [value if take else "" for take, value in zip(rows, values, strict=True)]


def written(folder: Path, columns: dict[str, object]) -> str:
    pd.DataFrame(columns, index=range(ROWS)).to_csv(folder / "leads.csv", index=False)
    return str(folder / "leads.csv")


def roles_of(guesses: Guesses) -> dict[str, str]:
    return {role: found.column for role, found in guesses.roles.items()}


LANGUAGES = {
    "English": (
        "Won|Lost|Open",
        "Record key|E-mail|Opened on|Ended on|Origin|Assigned to",
        "%Y-%m-%d",
    ),
    "German": (
        "Gewonnen|Verloren|In Bearbeitung",
        "Vorgangsnummer|E-Mail-Adresse|Angelegt am|Abgeschlossen am|Leadquelle"
        "|Zuständiger Mitarbeiter",
        "%d.%m.%Y",
    ),
    "French": (
        "Gagné|Perdu|En cours",
        "Nº d'affaire|Courriel|Créé le|Date de clôture|Origine de la piste|Propriétaire",
        "%d/%m/%Y",
    ),
    "Spanish": (
        "Cierre ganado|Cierre perdido|En negociación",
        "ID de negocio|Correo electrónico|Fecha de creación|Fecha de cierre|Fuente del lead"
        "|Propietario del negocio",
        "%d/%m/%Y",
    ),
    "Portuguese": (
        "Ganho|Perdido|Em negociação",
        "Código do negócio|E-mail|Data de cadastro|Data de encerramento|Origem"
        "|Vendedor responsável",
        "%d/%m/%Y",
    ),
    "Italian": (
        "Chiuso vinto|Chiuso perso|In trattativa",
        "ID trattativa|Posta elettronica|Data di creazione|Data chiusura|Fonte"
        "|Proprietario trattativa",
        "%d/%m/%Y",
    ),
    "Dutch": (
        "Gewonnen|Verloren|In behandeling",
        "Dossiernummer|E-mailadres|Aanmaakdatum|Sluitingsdatum|Herkomst|Verantwoordelijke",
        "%d-%m-%Y",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_roles_and_outcome_in_each_language(language: str, tmp_path: Path) -> None:
    statuses, names, form = LANGUAGES[language]
    words = statuses.split("|")
    record, person, created, closed, source, owner = names.split("|")
    guesses = guess(
        written(
            tmp_path,
            {
                owner: OWNERS,
                closed: only(ENDED, CLOSED.strftime(form).to_list()),
                "Phase X": status(*words),
                record: 4000 + np.arange(ROWS),
                source: SOURCES,
                person: MAILS,
                created: CREATED.strftime(form),
            },
        )
    )
    assert guesses.outcome.status.column == "Phase X"
    assert (guesses.outcome.won, guesses.outcome.lost) == ((words[0],), (words[1],))
    expected = {"id": record, "person": person, "created": created, "closed": closed}
    # Without a column of companies the domains of the addresses stand for them.
    expected |= {"source": source, "owner": owner, "account": person}
    assert roles_of(guesses) == expected


VENDORS: dict[str, tuple[dict[str, str], str]] = {
    "Pipedrive deals": (
        {
            "id": "Deal - ID",
            "status": "Deal - Status",
            "created": "Deal - Deal created",
            "closed": "Deal - Deal closed on",
            "person": "Person - Email - Work",
            "owner": "Deal - Owner",
            "source": "Deal - Source channel",
        },
        "Deal - Title,Deal - Stage,Deal - Value,Deal - Pipeline,Deal - Expected close date",
    ),
    "Bitrix24": (
        {
            "id": "ID",
            "status": "Stage",
            "created": "Created",
            "source": "Source",
            "owner": "Responsible",
        },
        "Pipeline,Deal Name,Company,Income,Currency,Modified,Repeat deal",
    ),
    "Freshsales": (
        {
            "id": "Deal ID",
            "status": "Deal stage",
            "created": "Created at",
            "closed": "Closed date",
            "source": "Source",
            "owner": "Sales owner",
        },
        "Deal name,Account name,Amount,Updated at,Deal type,Expected close",
    ),
    "SugarCRM": (
        {
            "id": "ID",
            "status": "Sales Stage",
            "created": "Date Entered",
            "source": "Lead Source",
            "owner": "Assigned User Name",
        },
        "Opportunity Name,Account Name,Date Modified,Next Step,Probability,Date Closed",
    ),
    "Zoho deals": (
        {"id": "Record Id", "status": "Stage", "created": "Created Time", "source": "Lead Source"},
        "Deal Name,Account Name,Closing Date,Modified Time,Amount,Next Step",
    ),
    "Close": (
        {
            "id": "id",
            "status": "status_type",
            "created": "date_created",
            "closed": "date_won",
            "owner": "user_name",
        },
        "lead_name,status_label,date_updated,confidence,value,note,pipeline_name",
    ),
    "Creatio": (
        {
            "id": "Id",
            "status": "Lead stage",
            "created": "Created on",
            "source": "Lead source",
            "owner": "Owner",
        },
        "Lead name,Customer need,Account,Modified on,Industry,Country",
    ),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_exports_of_more_vendors(vendor: str, tmp_path: Path) -> None:
    roles, others = dict(VENDORS[vendor][0]), VENDORS[vendor][1]
    content = {
        "id": 100 + np.arange(ROWS) * 3,
        "status": status("Won", "Lost", "Open"),
        "created": CREATED.strftime("%Y-%m-%d %H:%M"),
        "closed": only(ENDED, CLOSED.strftime("%Y-%m-%d %H:%M").to_list()),
        "person": MAILS,
        "owner": OWNERS,
        "source": SOURCES,
    }
    columns: dict[str, object] = {roles[role]: content[role] for role in roles}
    guesses = guess(written(tmp_path, columns | dict.fromkeys(others.split(","), "")))
    assert guesses.vendor is not None
    assert guesses.vendor.name == vendor
    assert guesses.outcome.status.column == roles.pop("status")
    assert {role: roles_of(guesses).get(role) for role in roles} == roles


@pytest.mark.parametrize("named", ["id", "contact_id"])
def test_in_contacts_of_close_the_lead_is_the_account(named: str, tmp_path: Path) -> None:
    columns: dict[str, object] = {
        named: [f"cont_{row:05d}x" for row in range(ROWS)],
        "lead_id": [f"lead_{row // 3:05d}y" for row in range(ROWS)],
        "lead_status_label": status("Customer", "Bad Fit", "Potential"),
        "primary_email": MAILS,
        "date_created": CREATED.strftime("%Y-%m-%d %H:%M"),
        "date_updated": CLOSED.strftime("%Y-%m-%d %H:%M"),
    }
    guesses = guess(written(tmp_path, columns))
    found = roles_of(guesses)
    assert (found["id"], found["account"]) == (named, "lead_id")
    assert (guesses.outcome.won, guesses.outcome.lost) == (("Customer",), ("Bad Fit",))
    named_account = {**columns, "lead_name": [f"Firm {row // 3}" for row in range(ROWS)]}
    guesses = guess(written(tmp_path, named_account))
    assert roles_of(guesses)["account"] == "lead_name"
    assert "key of another record" in guesses.ignore["lead_id"]


def unknown(**more: object) -> dict[str, object]:
    """An export whose names say nothing."""
    return {
        "c1": status("Won", "Lost", "Open"),
        "c2": only(ENDED, CLOSED.strftime("%Y-%m-%d").to_list()),
        "c3": CREATED.strftime("%Y-%m-%d"),
        "c4": [f"LD-{row:05d}" for row in range(ROWS)],
        "c5": MAILS,
        "c6": np.resize(["Trade show", "Website", "Referral"], ROWS),
        **more,
    }


def test_clear_content_is_enough_without_a_known_name(tmp_path: Path) -> None:
    birthdays = pd.Timestamp("1970-01-01") + pd.to_timedelta(np.arange(ROWS) * 31, unit="D")
    guesses = guess(
        written(
            tmp_path,
            unknown(
                c7=birthdays.strftime("%Y-%m-%d"),
                c8=np.arange(ROWS) * 137 % 5003 + 20_000,
                c9=(CLOSED + pd.Timedelta(days=90)).strftime("%Y-%m-%d"),
            ),
        )
    )
    expected = {"id": "c4", "person": "c5", "created": "c3", "closed": "c2", "source": "c6"}
    expected["account"] = "c5"
    assert roles_of(guesses) == expected


def test_a_fitting_name_with_contradicting_content_is_dropped_with_the_reason(
    tmp_path: Path,
) -> None:
    guesses = guess(
        written(
            tmp_path,
            unknown(
                **{
                    "Lead ID": np.arange(ROWS) * 3 // 4,
                    "Created": (CLOSED + pd.Timedelta(days=30)).strftime("%Y-%m-%d"),
                    "Close date": only(
                        np.arange(ROWS) % 4 == 2, CLOSED.strftime("%Y-%m-%d").to_list()
                    ),
                }
            ),
        )
    )
    assert {role: roles_of(guesses)[role] for role in ("id", "created", "closed")} == {
        "id": "c4",
        "created": "c3",
        "closed": "c2",
    }
    alone = guess(
        written(
            tmp_path,
            {
                "Status": status("Won", "Lost", "Open"),
                "Lead ID": np.arange(ROWS) * 3 // 4,
                "Created": only(np.arange(ROWS) % 5 == 0, CREATED.strftime("%Y-%m-%d").to_list()),
                "Close date": only(np.arange(ROWS) % 4 == 2, CLOSED.strftime("%Y-%m-%d").to_list()),
            },
        )
    )
    assert roles_of(alone) == {}
    text = draft(alone)
    assert "# id: 'Lead ID' is not it: 180 different values in 240 rows" in text
    assert "# created: 'Created' is not it: only 20% of the leads have it" in text
    assert "# closed: 'Close date' is not it: hardly any won or lost lead has it" in text


def test_an_id_that_activities_do_not_use_is_dropped_with_the_reason(tmp_path: Path) -> None:
    columns = {"Status": status("Won", "Lost", "Open"), "Lead ID": 1 + np.arange(ROWS)}
    (tmp_path / "log.csv").write_text("Person,At,Kind\nx1,2024-01-01,Call\nx2,2024-01-02,Call\n")
    guesses = guess(written(tmp_path, columns), str(tmp_path / "log.csv"))
    assert "id" not in guesses.roles
    assert "activities do not refer to leads by it" in draft(guesses)


def test_the_account_has_a_role_and_stays_a_column_and_the_amount_is_told(tmp_path: Path) -> None:
    guesses = guess(
        written(
            tmp_path,
            unknown(Firma=np.resize(["A GmbH", "B AG", "C KG"], ROWS), Betrag=np.arange(ROWS) * 10),
        )
    )
    text = draft(guesses)
    assert 'account = "Firma"' in text
    assert "# amount: 'Betrag'; there is no such role" in text
    assert not {"Firma", "Betrag"} & set(guesses.ignore)


def test_the_id_of_the_account_comes_before_its_name_and_the_website_after(tmp_path: Path) -> None:
    ids = np.resize(np.arange(40) + 700, ROWS)
    names = np.resize([f"Firm {n}" for n in range(40)], ROWS)
    sites = np.resize([f"www.firm{n}.com" for n in range(40)], ROWS)
    found = guess(written(tmp_path, unknown(Website=sites, Company=names, AccountId=ids))).roles
    assert found["account"].column == "AccountId"
    found = guess(written(tmp_path, unknown(Website=sites, Company=names))).roles
    assert found["account"].column == "Company"
    found = guess(written(tmp_path, unknown(Website=sites))).roles
    assert found["account"].column == "Website"


def test_without_an_account_the_domains_that_people_share_stand_for_it(tmp_path: Path) -> None:
    def role(domains: list[str]) -> str | None:
        mails = [f"p{n}@{domain}" for n, domain in enumerate(np.resize(domains, ROWS))]
        found = guess(written(tmp_path, unknown() | {"c5": mails})).roles.get("account")
        return None if found is None else found.column

    assert role([f"firm{n}.com" for n in range(40)]) == "c5"
    assert role(["gmail.com", "web.de", "yahoo.com"]) is None
    assert role(["firm.com"]) is None
