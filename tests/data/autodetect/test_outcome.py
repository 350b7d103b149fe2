"""Candidates for the outcome are held against each other, flags tell what a company's own words
mean, and where nobody is called lost there is a hint."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.data.autodetect.draft import draft
from winnable.data.autodetect.infer import Guesses, guess
from winnable.data.autodetect.lexicon import meaning_of_status
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

ROWS = 200
WON = np.arange(ROWS) % 4 == 0
LOST = np.arange(ROWS) % 4 == 1


def guessed(folder: Path, columns: dict[str, object]) -> Guesses:
    pd.DataFrame({"Key": np.arange(ROWS), **columns}).to_csv(folder / "leads.csv", index=False)
    return guess(str(folder / "leads.csv"))


def status(won: str, lost: str, opened: str) -> np.ndarray:
    return np.where(WON, won, np.where(LOST, lost, opened))


def test_what_another_column_would_have_counted_stands_beside_the_choice(tmp_path: Path) -> None:
    wrong = np.where(np.arange(ROWS) < 8, ~WON, WON)
    guesses = guessed(
        tmp_path,
        {
            "Stage": status("Closed Won", "Closed Lost", "Open"),
            "Converted": np.where(wrong, "yes", "no"),
        },
    )
    assert guesses.outcome.status.column == "Stage"
    text = draft(guesses)
    assert (
        f"# 'Converted' would count {int(wrong.sum())} won and {int((~wrong).sum())} lost; the two"
        " agree on 96.0% of 100 leads that both decide." in text
    )


@pytest.mark.parametrize(
    "flags",
    [
        {"Is Won": WON, "Is Closed": WON | LOST},
        {"Probability (%)": np.where(WON, 100, np.where(LOST, 0, 40))},
        {"Probability": np.where(WON, "100%", np.where(LOST, "0%", "30%"))},
    ],
)
def test_flags_tell_what_a_companys_own_words_mean(
    flags: dict[str, np.ndarray], tmp_path: Path
) -> None:
    guesses = guessed(tmp_path, {"Stage": status("Hooray", "Oh no", "Talking"), **flags})
    outcome = guesses.outcome
    assert (outcome.status.column, outcome.won, outcome.lost) == ("Stage", ("Hooray",), ("Oh no",))
    assert "the two agree on 100% of 100 leads" in draft(guesses)


def test_a_new_lead_with_a_probability_of_0_is_not_lost(tmp_path: Path) -> None:
    columns = {
        "Stage": status("Won", "Lost", "New"),
        "Probability": np.where(WON, 100, 0),
    }
    assert guessed(tmp_path, columns).outcome.lost == ("Lost",)


def test_of_two_status_columns_the_one_that_says_lost_is_chosen(tmp_path: Path) -> None:
    guesses = guessed(
        tmp_path,
        {"Status": status("Won", "Open", "Open"), "Stage": status("Won", "Lost", "Open")},
    )
    assert guesses.outcome.status.column == "Stage"
    assert "# 'Status' would count 50 won and 0 lost" in draft(guesses)


ODOO = {
    "Stage": np.where(WON, "Won", np.resize(["New", "Proposition", "Demo"], ROWS)),
    "Active": np.where(LOST, "False", "True"),
    "Lost Reason": np.where(LOST, "Too expensive", ""),
}


def trained_on(guesses: Guesses, folder: Path) -> Dataset:
    """The export as it is read by the draft, without an edit."""
    definition = definition_from(tomllib.loads(draft(guesses)), "the draft")
    return Dataset(definition, read_crm(definition, str(folder / "leads.csv")))


def counts(data: Dataset) -> tuple[int, int]:
    return int((data.outcomes == 1).sum()), int((data.outcomes == 0).sum())


def conditions(guesses: Guesses) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    outcome = tomllib.loads(draft(guesses))["outcome"]
    return outcome["won"], outcome["lost"]


@pytest.mark.parametrize("gone", [{}, {"Probability": np.where(LOST, "0", "20")}])
def test_archived_leads_with_a_reason_for_losing_are_lost(
    gone: dict[str, np.ndarray], tmp_path: Path
) -> None:
    columns = {**ODOO, **gone}
    if gone:
        del columns["Lost Reason"]
    guesses = guessed(tmp_path, columns)
    won, lost = conditions(guesses)
    why = {"field": "Probability", "at_most": 0}
    assert won == [{"field": "Stage", "any_of": ["Won"]}]
    assert lost == [
        {"field": "Active", "any_of": ["False"]},
        why if gone else {"field": "Lost Reason", "is_present": True},
    ]
    assert "'Stage' would count" not in draft(guesses)
    assert counts(trained_on(guesses, tmp_path)) == (50, 50)


def test_beside_a_field_history_the_status_is_kept_and_archived_leads_are_a_hint(
    tmp_path: Path,
) -> None:
    guessed(tmp_path, ODOO)
    changes = pd.DataFrame(
        {"Key": [0], "Field": "Stage", "Old": "New", "New": "Won", "At": "2024-01-01"}
    )
    changes.to_csv(tmp_path / "history.csv", index=False)
    guesses = guess(str(tmp_path / "leads.csv"), history=str(tmp_path / "history.csv"))
    assert guesses.outcome.status.column == "Stage"
    assert guesses.outcome.hints == (
        "'Active' no longer with a 'Lost Reason' says that 50 leads were lost",
    )


@pytest.mark.parametrize(
    "flags",
    [
        {"Is Closed": WON | LOST, "Is Won": WON},
        {"IsClosed": (WON | LOST).astype(int), "IsWon": WON.astype(int)},
        {"hs_is_closed_won": WON, "hs_is_closed_lost": LOST},
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_flags_alone_or_beside_a_status_that_is_both_tell_the_outcome(
    flags: dict[str, np.ndarray], mixed: bool, tmp_path: Path
) -> None:
    stage = {"Stage": status("Closed", "Closed", "Open")} if mixed else {}
    guesses = guessed(tmp_path, {**flags, **stage, "City": np.resize(list("abcdefg"), ROWS)})
    assert set(guesses.outcome.columns) == set(flags)
    data = trained_on(guesses, tmp_path)
    assert counts(data) == (50, 50)
    assert {field.name for field in data.feature_plan().fields} == {"City"}


def test_a_status_that_agrees_with_the_flags_is_preferred_to_them(tmp_path: Path) -> None:
    flags = {"Is Closed": WON | LOST, "Is Won": WON}
    guesses = guessed(tmp_path, {**flags, "Stage": status("Won", "Lost", "Open")})
    assert guesses.outcome.columns == ("Stage",)
    assert "# 'Is Won' and 'Is Closed' would count 50 won and 50 lost" in draft(guesses)


def test_what_the_status_would_have_counted_stands_beside_conditions(tmp_path: Path) -> None:
    flags = {"Is Closed": WON | LOST, "Is Won": WON}
    few = np.where(np.arange(ROWS) < 40, status("Won", "Lost", "Open"), "Open")
    text = draft(guessed(tmp_path, {**flags, "Stage": few}))
    assert "# Told by conditions, all of which must hold: 'Is Won' and 'Is Closed'." in text
    assert "won = [   # 50 leads" in text
    assert "# 'Stage' would count 10 won and 10 lost; the two agree on 100% of 20" in text


PIPELINE = np.where(np.arange(ROWS) < 120, "Sales", "Service")


@pytest.mark.parametrize(
    "flags", [{}, {"Probability": np.where(WON & (PIPELINE == "Sales"), 100, 20)}]
)
def test_the_same_stage_of_two_pipelines_is_won_in_one(
    flags: dict[str, np.ndarray], tmp_path: Path
) -> None:
    columns = {"Pipeline": PIPELINE, "Stage": status("Done", "Lost", "Open"), **flags}
    guesses = guessed(tmp_path, columns)
    won, lost = conditions(guesses)
    sales = {"field": "Pipeline", "any_of": ["Sales"]}
    assert won == [sales, {"field": "Stage", "any_of": ["Done"]}]
    assert lost[-1] == {"field": "Stage", "any_of": ["Lost"]}
    assert counts(trained_on(guesses, tmp_path))[0] == 30
    assert "means different things in different pipelines" in draft(guesses)


def test_pipelines_whose_stages_mean_the_same_need_no_conditions(tmp_path: Path) -> None:
    columns = {"Pipeline": np.resize(["New", "Renewal"], ROWS).repeat(1)}
    guesses = guessed(tmp_path, {**columns, "Stage": status("Won", "Lost", "Open")})
    assert guesses.outcome.columns == ("Stage",)


RENEWAL = np.arange(ROWS) % 2 == 0


def by_pipeline(renewed: str, ended: str) -> dict[str, object]:
    """Two pipelines with stages of their own."""
    won = np.arange(ROWS) % 8 < 2
    lost = np.arange(ROWS) % 8 > 5
    sales = np.where(won, "Closed Won", np.where(lost, "Closed Lost", "Demo"))
    renewals = np.where(won, renewed, np.where(lost, ended, "Due"))
    pipelines = np.where(RENEWAL, "Renewals", "Sales")
    return {"Pipeline": pipelines, "Stage": np.where(RENEWAL, renewals, sales)}


def test_stages_of_every_pipeline_tell_won_and_lost(tmp_path: Path) -> None:
    found = guessed(tmp_path, by_pipeline("Renewed", "Churned")).outcome
    assert (set(found.won), set(found.lost)) == (
        {"Closed Won", "Renewed"},
        {"Closed Lost", "Churned"},
    )
    assert found.silent == ()


def test_a_flag_of_won_alone_tells_what_a_pipelines_own_words_mean(tmp_path: Path) -> None:
    columns = by_pipeline("Phase 9", "Phase 8")
    flag = {"Is Closed Won": np.isin(columns["Stage"], ["Phase 9", "Closed Won"])}
    guesses = guessed(tmp_path, {**columns, **flag})
    assert set(guesses.outcome.won) == {"Closed Won", "Phase 9"}
    assert guesses.outcome.lost == ("Closed Lost",)
    assert draft(guesses).count("'Is Closed Won' would count") == 1


def test_a_pipeline_without_a_stage_of_won_or_lost_is_said(tmp_path: Path) -> None:
    guesses = guessed(tmp_path, by_pipeline("Phase 9", "Phase 8"))
    [says] = guesses.outcome.silent
    assert says.startswith(
        "No stage of the pipeline 'Renewals' means won or lost, so its 100 leads"
    )
    assert "Phase 8 (25)" in says
    assert f"# {says}." in draft(guesses)


def test_where_nobody_is_called_lost_a_column_with_such_words_is_named(tmp_path: Path) -> None:
    columns = {
        "Lifecycle Stage": status("Customer", "Lead", "Subscriber"),
        "Lead Status": status("Connected", "Unqualified", "Open"),
    }
    guesses = guessed(tmp_path, columns)
    assert guesses.outcome.hints == ("'Lead Status' holds Unqualified (50)",)
    assert "# Nobody is called lost, but 'Lead Status' holds Unqualified (50)." in draft(guesses)
    definition = Definition.model_validate(
        {"outcome": {"won": ["Customer"]}, "columns": {"status": "Lifecycle Stage"}}
    )
    data = Dataset(definition, read_crm(definition, pd.DataFrame(columns)))
    assert [note for note in data.notes if "Unqualified (50), which may say it" in note]


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("Abgeschlossen und gewonnen|Fermé gagné|Cierre ganado|Fechado ganho|Chiuso vinto", "won"),
        ("Gewonnen|Klant|Cliente|Kunde|Vendido|Venduto|Verkocht|Vendu|Signé", "won"),
        ("Abgeschlossen und verloren|Fermé perdu|Perdido|Persa|Verloren|Afgewezen", "lost"),
        ("Nicht qualifiziert|Non qualifié|No calificado|Não qualificado|Non qualificato", "lost"),
        ("Niet gekwalificeerd|Desqualificado|Descartado|Annullato|Geen interesse", "lost"),
        ("Успешно|Сделка успешна|Успешно реализовано|Продано|Wygrana|Kazanıldı|Κερδισμένη", "won"),
        ("Провалена|Сделка провалена|Закрыто и не реализовано|Неуспешно|Отказ", "lost"),
        ("Przegrana|Odrzucona|Kaybedildi|Χαμένη", "lost"),
        ("Churned|Not renewed|Lapsed", "lost"),
        ("Renewed|Contract renewed", "won"),
        ("Renewal due|In renewal", None),
        ("受注|受注済み|成約|契約済|商談成立・受注", "won"),
        ("失注|失注（価格）|見送り|失注・競合", "lost"),
        ("受注見込|商談中|提案|新規|未受注|成約予定|受注確度A", None),
        ("赢单|成交|已成交|已签约|贏單|已結束並贏得|簽約", "won"),
        ("输单|丢单|流失|未成交|无效|輸單|战败", "lost"),
        ("谈判中|初步接触|意向客户|新建|待签约|潜在客户|跟进中", None),
        ("수주|수주 완료|성사|계약완료|계약 완료", "won"),
        ("실주|수주 실패|실패|거절|계약 취소", "lost"),
        ("협상 중|수주 예정|신규|제안|잠재고객", None),
        ("נסגר בהצלחה|זכייה|נמכר", "won"),
        ("אבוד|הפסד|נסגר ללא הצלחה|לא רלוונטי", "lost"),
        ("במשא ומתן|חדש|בטיפול", None),
        ("تم الفوز|مغلق رابح|فاز بها|تم البيع", "won"),
        ("خسارة|مغلق خاسر|مفقود|ملغى|مرفوض", "lost"),
        ("قيد التفاوض|جديد|قيد المتابعة", None),
        ("Vunnen|Stängd - vunnen|Såld|Vundet|Lukket - vundet|Solgt|Vunnet|Kund|Kunde", "won"),
        ("Förlorad|Stängd förlorad|Ej intresserad|Tabt|Lukket tabt|Ikke interesseret", "lost"),
        ("Tapt|Avslått|Ikke kvalifisert|Inte kvalificerad|Ikke solgt|Afvist", "lost"),
        ("Pågår|Förhandling|Potentiell kund|Igangværende|Tilbud sendt|Ny", None),
        ("Voitettu|Suljettu - voitettu|Myyty|Asiakas", "won"),
        ("Hävitty|Hävitetty|Menetetty|Ei kiinnostunut|Peruttu|Hylätty", "lost"),
        ("Neuvottelu|Tarjous lähetetty|Mahdollinen asiakas|Uusi", None),
        ("Vyhráno|Vyhraná|Uzavřeno - vyhráno|Prodáno|Úspěšně uzavřeno|Zákazník", "won"),
        ("Prohráno|Prohraná|Ztracený|Zamítnuto|Neúspěšně uzavřeno|Zrušeno", "lost"),
        ("Jednání|Nový|Nabídka odeslána|Potenciální zákazník", None),
        ("Megnyert|Megnyerve|Nyert|Eladva|Sikeres", "won"),
        ("Elveszett|Elvesztett|Vesztes|Elutasított|Elutasítva|Sikertelen|Nem nyert", "lost"),
        ("Tárgyalás|Új|Ajánlat elküldve|Folyamatban", None),
        ("В работе|Новая|Переговоры|W toku|Görüşülüyor|Σε εξέλιξη", None),
        ("Potential customer|Cliente potencial|Potenzieller Kunde|Client potentiel", None),
        ("In Bearbeitung|En cours|En negociación|Em aberto|In trattativa|Lopend", None),
    ],
)
def test_words_of_twenty_two_languages(words: str, meaning: str | None) -> None:
    assert {word: meaning_of_status(word) for word in words.split("|")} == dict.fromkeys(
        words.split("|"), meaning
    )
