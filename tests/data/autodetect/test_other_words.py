"""Exports in the words and forms of other languages and vendors: flags, dates of winning and
losing, opposites, codes of an API, months, serial numbers; and what is told where leads ended
unnoticed."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import Guesses, guess
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.errors import DataError
from winnable.learning.readiness.data_quality import alarms

ROWS = 240
WON = np.arange(ROWS) % 4 == 0
LOST = np.arange(ROWS) % 4 == 1
ENDED = WON | LOST
CREATED = pd.Series(pd.Timestamp("2024-01-02") + pd.to_timedelta(np.arange(ROWS), unit="D"))
CLOSED = CREATED + pd.Timedelta(days=20)


def status(won: str, lost: str, opened: str) -> np.ndarray:
    return np.where(WON, won, np.where(LOST, lost, opened))


def written(folder: Path, columns: dict[str, object], **how: str) -> str:
    path = folder / "leads.csv"
    pd.DataFrame({"Nr": np.arange(ROWS) + 100, **columns}).to_csv(path, index=False, **how)
    return str(path)


def guessed(folder: Path, columns: dict[str, object], **how: str) -> Guesses:
    return guess(written(folder, columns, **how))


def agreed(guesses: Guesses) -> Definition:
    return definition_from(tomllib.loads(draft(guesses)), "definition.toml")


def counts(guesses: Guesses) -> tuple[int, int]:
    return int(guesses.won.sum()), int(guesses.lost.sum())


def days(moments: pd.Series, rows: np.ndarray, form: str = "%Y-%m-%d") -> pd.Series:
    return moments.where(rows).dt.strftime(form)


@pytest.mark.parametrize(
    ("closed", "won", "yes", "no"),
    [
        ("Fermée", "Gagnée", "VRAI", "FAUX"),
        ("Geschlossen", "Gewonnen", "WAHR", "FALSCH"),
        ("Cerrada", "Ganada", "VERDADERO", "FALSO"),
        ("Fechado", "Ganho", "Sim", "Não"),
        ("Chiusa", "Vinta", "VERO", "FALSO"),
        ("Gesloten", "Gewonnen", "WAAR", "ONWAAR"),
    ],
)
def test_flags_of_closed_and_won_tell_the_outcome_in_each_language(
    closed: str, won: str, yes: str, no: str, tmp_path: Path
) -> None:
    guesses = guessed(
        tmp_path, {closed: np.where(ENDED, yes, no), won: np.where(WON, yes, no)}, sep=";"
    )
    assert counts(guesses) == (WON.sum(), LOST.sum())


@pytest.mark.parametrize(
    ("stage", "won", "active", "no", "reason"),
    [
        ("Étape", "Gagné", "Actif", ("Vrai", "Faux"), "Raison de la perte"),
        ("Phase", "Gewonnen", "Aktiv", ("Wahr", "Falsch"), "Verlustgrund"),
        ("Etapa", "Ganado", "Activo", ("Verdadero", "Falso"), "Motivo de pérdida"),
    ],
)
def test_archived_with_a_reason_is_lost_in_each_language(
    stage: str, won: str, active: str, no: Sequence[str], reason: str, tmp_path: Path
) -> None:
    guesses = guessed(
        tmp_path,
        {
            stage: status(won, "Proposition", "Proposition"),
            active: np.where(LOST, no[1], no[0]),
            reason: np.where(LOST, "prix", None),
        },
    )
    assert counts(guesses) == (WON.sum(), LOST.sum())


@pytest.mark.parametrize(
    ("won", "lost"),
    [("Data do ganho", "Data da perda"), ("Gewonnen am", "Verloren am"), ("Won at", "Lost at")],
)
def test_two_columns_of_dates_tell_the_outcome_and_its_dates(
    won: str, lost: str, tmp_path: Path
) -> None:
    columns = {
        "Created": days(CREATED, CREATED.notna().to_numpy()),
        won: days(CLOSED, WON),
        lost: days(CLOSED, LOST),
        "Seats": np.arange(ROWS) % 7,
    }
    guesses = guessed(tmp_path, columns)
    assert counts(guesses) == (WON.sum(), LOST.sum())
    assert guesses.roles["closed"].column == won
    assert guesses.roles["closed_lost"].column == lost
    path = written(tmp_path, columns)
    definition = agreed(guesses)
    crm = read_crm(definition, path)
    learned = Dataset(definition, crm).feature_plan(()).learned
    assert not {won, lost} & set(learned)


def test_a_word_and_the_same_with_a_no_are_won_and_lost(tmp_path: Path) -> None:
    guesses = guessed(tmp_path, {"Ergebnis": status("Auftrag", "Kein Auftrag", "")})
    assert guesses.outcome.won == ("Auftrag",)
    assert guesses.outcome.lost == ("Kein Auftrag",)


def test_a_stage_and_the_same_with_a_no_tell_no_outcome(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column tells which leads were won"):
        guessed(tmp_path, {"Status": status("Contacted", "Not contacted", "Kim")})


def test_a_qualified_lead_of_bitrix_is_won_where_nothing_else_is(tmp_path: Path) -> None:
    words = status("Качественный лид", "Некачественный лид", "В работе")
    guesses = guessed(tmp_path, {"Стадия": words}, encoding="cp1251", sep=";")
    assert counts(guesses) == (WON.sum(), LOST.sum())


def test_numbers_of_the_api_of_dynamics_are_won_and_lost(tmp_path: Path) -> None:
    guesses = guessed(
        tmp_path,
        {
            "opportunityid": np.arange(ROWS),
            "createdon": days(CREATED, CREATED.notna().to_numpy()),
            "actualclosedate": days(CLOSED, ENDED),
            "statecode": status("1", "2", "0"),
            "statuscode": status("3", "4", "1"),
        },
    )
    assert guesses.outcome.columns == ("statecode",)
    assert counts(guesses) == (WON.sum(), LOST.sum())


POLISH = ["sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru"]
RUSSIAN = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
]


@pytest.mark.parametrize(("months", "end"), [(POLISH, ""), (RUSSIAN, " г.")])
def test_months_of_polish_and_russian_are_dates(
    months: Sequence[str], end: str, tmp_path: Path
) -> None:
    def date(moment: pd.Timestamp) -> str:
        return f"{moment.day} {months[moment.month - 1]} {moment.year}{end}"

    guesses = guessed(
        tmp_path,
        {
            "Status": status("Won", "Lost", "Open"),
            "A": CREATED.map(date),
            "B": CLOSED.map(date).where(ENDED),
        },
    )
    assert guesses.roles["created"].column == "A"
    assert guesses.roles["closed"].column == "B"


def test_serial_dates_with_a_decimal_comma_are_dates(tmp_path: Path) -> None:
    def serial(moment: pd.Timestamp) -> str:
        days = (moment - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1) + 0.25
        return f"{days:.2f}".replace(".", ",")

    columns = {
        "Status": status("Won", "Lost", "Open"),
        "Anfrage vom": CREATED.map(serial),
        "Erledigt am": CLOSED.map(serial).where(ENDED),
    }
    guesses = guessed(tmp_path, columns, sep=";")
    assert guesses.roles["created"].column == "Anfrage vom"
    assert guesses.roles["closed"].column == "Erledigt am"
    crm = read_crm(agreed(guesses), written(tmp_path, columns, sep=";"))
    assert crm.leads["@created"].iloc[0] == pd.Timestamp("2024-01-02 06:00", tz="UTC")


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
def test_the_order_of_day_and_month_is_that_in_which_dates_follow_each_other(
    form: str, tmp_path: Path
) -> None:
    """No day is above 12, and the names of the columns say nothing."""
    first = pd.Series(
        [pd.Timestamp(2024, 1 + i // 20, 1 + i % 12) for i in range(ROWS)], name="first"
    )
    last = first + pd.offsets.MonthBegin(1) + pd.Timedelta(days=3)
    guesses = guessed(
        tmp_path,
        {
            "Status": status("Won", "Lost", "Open"),
            "Opened": first.dt.strftime(form),
            "Ended": days(last, ENDED, form),
        },
    )
    assert guesses.roles["created"].column == "Opened"
    assert guesses.roles["closed"].column == "Ended"


@pytest.mark.parametrize("key", ["Activity ID", "Task ID", "Aktivitäts-ID"])
def test_a_log_whose_rows_have_ids_of_their_own_is_refused(key: str, tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    pd.DataFrame(
        {
            key: [f"T{i}" for i in range(ROWS)],
            "Related To": [f"L-{i // 3}" for i in range(ROWS)],
            "Type": "Call",
            "Stage": status("Won", "Lost", "Open"),
        }
    ).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"'Related To' stands 3\.0 times in the mean"):
        guess(str(path))


def test_leads_that_ended_under_an_unknown_word_are_told_by_init_and_by_training(
    tmp_path: Path,
) -> None:
    columns = {
        "Stage": status("Won", "Vaporized", "Demo"),
        "Created": days(CREATED, CREATED.notna().to_numpy()),
        "Closed": days(CLOSED, ENDED),
        "Seats": np.arange(ROWS) % 7,
    }
    guesses = guessed(tmp_path, columns)
    says = f"{LOST.sum()} leads count as open, although they have a closing date that has passed"
    assert any(says in text and "'Vaporized'" in text for text in guesses.outcome.silent)
    definition = agreed(guesses)
    data = Dataset(definition, read_crm(definition, written(tmp_path, columns)))
    assert any(says in finding.text for finding in alarms(data))


def test_expected_closing_dates_of_open_leads_are_no_ends(tmp_path: Path) -> None:
    columns = {
        "Stage": status("Won", "Lost", "Demo"),
        "Created": days(CREATED, CREATED.notna().to_numpy()),
        "Close Date": days(CLOSED + pd.Timedelta(days=30), CREATED.notna().to_numpy()),
    }
    guesses = guessed(tmp_path, columns)
    assert guesses.roles["closed"].column == "Close Date"
    assert not guesses.outcome.silent
