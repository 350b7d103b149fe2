"""The report: one page to send, which tells the truth, names nobody and shows whatever was typed as
text."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import winnable
from tests.conftest import DemoStore
from winnable.data.dataset import Dataset
from winnable.errors import StoreError
from winnable.learning.reporting.report import Report, report_on
from winnable.learning.reporting.sections import percent
from winnable.learning.training.backtest import Backtest, Period, Seen
from winnable.learning.training.train import Evaluation

ATTACK = "<script>alert(1)</script>"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def report(demo_store: DemoStore) -> Report:
    return report_on(demo_store.candidate, demo_store.data)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report.html("Version 1 is champion: there was no champion before it.")


class Elements(HTMLParser):
    """Every element that a browser would see, with its attributes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(page)
    return parser.found


def test_it_answers_first_with_the_numbers_of_the_judged_leads(
    report: Report, page: str, demo_store: DemoStore
) -> None:
    evaluation = demo_store.candidate.evaluation
    assert evaluation is not None
    assert report.sections[0].title == "How good is the model?"
    order = np.argsort(-evaluation.candidate, kind="stable")
    fifth = len(order) // 5
    tied = evaluation.candidate[order[fifth - 1]] == evaluation.candidate[order[fifth]]
    share = evaluation.rows.won[order[:fifth]].sum() / evaluation.rows.won.sum()
    gain = re.search(
        r"The top 20% of leads contain (\d+)% of the wins", report.sections[0].paragraphs[0]
    )
    assert gain is not None
    assert tied or int(gain[1]) == pytest.approx(100 * share, abs=1)
    assert page.index("The top 20% of leads") < page.index("<svg")
    assert "Version 1 is champion: there was no champion before it." in page


def test_it_asks_every_question_that_there_is_an_answer_to(report: Report) -> None:
    titles = [section.title for section in report.sections]
    assert titles == [
        "How good is the model?",
        "Calibration: do the probabilities hold?",
        "Lift and gain: how much work does it save?",
        "Accounts: do colleagues matter?",
        "What drives conversion?",
        "Conversion by source",
        "Conversion by segment",
        "Stability over time",
        "Drift: are recent leads different?",
        "Is there enough data?",
        "Target leakage: which columns were excluded?",
        "Example scores of open leads",
    ]
    assert "Decision Reason" in str(
        next(section for section in report.sections if section.title.startswith("Target leakage"))
    )


def test_no_plot_comes_without_a_sentence_and_none_has_colours_of_its_own(
    report: Report, page: str
) -> None:
    plots = [plot for section in report.sections for plot in section.plots]
    assert len(plots) >= 7
    for plot in plots:
        assert plot.caption.endswith(".")
        assert not re.search(r"(?<![\w(])#[0-9a-fA-F]{6}", plot.svg)
        assert "var(--ink)" in plot.svg or "var(--accent)" in plot.svg
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_it_loads_nothing_and_runs_nothing_and_is_small(page: str) -> None:
    found = elements(page)
    assert not {tag for tag, _ in found} & {
        "script",
        "link",
        "iframe",
        "img",
        "object",
        "embed",
        "base",
        "form",
    }
    for _, attributes in found:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("href", "src", "xlink:href") or str(value).startswith("#")
    assert "@import" not in page
    assert len(page.encode()) < MEGABYTE


def test_it_names_nobody(page: str, demo_store: DemoStore) -> None:
    leads = pd.read_csv(demo_store.files.leads, dtype=str)
    people = {
        *leads["Email"].dropna(),
        *leads["Phone"].dropna(),
        *(leads["First Name"] + " " + leads["Last Name"]).dropna(),
    }
    assert len(people) > 500
    assert not [person for person in people if len(person.strip()) > 3 and person in page]


def test_whatever_was_typed_is_shown_as_text(demo_store: DemoStore) -> None:
    leads = demo_store.crm.leads.copy()
    leads["@source"] = leads["@source"].where(leads["@source"] != "Referral", ATTACK)
    leads["@id"] = leads["@id"].where(
        leads["@status"] != "New", leads["@id"] + "@y.example " + ATTACK
    )
    labels = demo_store.candidate.definition.model_copy(update={"name": ATTACK, "version": "<b>"})
    page = report_on(
        replace(demo_store.candidate, definition=labels),
        Dataset(labels, replace(demo_store.crm, leads=leads)),
    ).html(ATTACK)
    assert "script" not in {tag for tag, _ in elements(page)}
    assert page.count("&lt;script&gt;") > 3
    assert "@y.example" not in page


def test_the_companys_words_stand_in_it(report: Report, demo_store: DemoStore) -> None:
    asked = next(
        section for section in report.sections if section.title == "Example scores of open leads"
    )
    grades = {row[3] for row in asked.tables[0].rows}
    assert grades <= {
        *demo_store.candidate.definition.grades.labels.values(),
        "Hot",
        "Warm",
        "Cool",
        "Cold",
    }
    assert {"raises the score", "lowers the score"} < set(asked.tables[0].columns)
    shown = (
        next(section for section in report.sections if section.title == "Conversion by segment")
        .tables[0]
        .rows
    )
    assert {row[0] for row in shown} <= {
        *(card.name for card in demo_store.candidate.definition.scorecard),
        "no segment",
    }


def test_what_changed_comes_second_and_a_backtest_takes_the_place_of_the_months(
    demo_store: DemoStore,
) -> None:
    evaluation = demo_store.candidate.evaluation
    assert evaluation is not None
    halves = (
        evaluation.rows.as_of < np.median(evaluation.rows.as_of),
        evaluation.rows.as_of >= np.median(evaluation.rows.as_of),
    )
    tested = Backtest(
        tuple(period(evaluation, half) for half in halves),
        90,
        ("The owners stand as they stand today.",),
    )
    report = report_on(
        demo_store.candidate, demo_store.data, changed=("12 more wins.",), tested=tested
    )
    assert (report.sections[1].title, report.sections[1].paragraphs) == (
        "What changed since the last model?",
        ("12 more wins.",),
    )
    section = next(section for section in report.sections if section.title == "Stability over time")
    assert f"skill of {percent(tested.measured()['model'].skill)}" in section.paragraphs[0]
    assert len(section.tables[0].rows) == 2
    assert section.notes == tested.notes


def period(evaluation: Evaluation, part: NDArray[np.bool_]) -> Period:
    """A part of the judged leads as a period of a backtest."""
    rows = evaluation.rows.take(part)
    answers = {
        "model": evaluation.candidate[part],
        "rules": evaluation.rules[part],
        "base rate": np.full(int(part.sum()), evaluation.base),
    }
    first, last = (
        datetime.fromtimestamp(int(end) / 1e6, UTC) for end in (rows.as_of.min(), rows.as_of.max())
    )
    return Period(
        first, last, rows, answers, Seen(np.ones(len(rows.won)), rows.won), 10, 200, 20, "blend"
    )


def test_the_same_training_gives_the_same_page(
    report: Report, page: str, demo_store: DemoStore
) -> None:
    again = report_on(demo_store.candidate, demo_store.data)
    assert again.html("Version 1 is champion: there was no champion before it.") == page


def test_without_outcomes_it_says_that_nobody_can_judge(demo_store: DemoStore) -> None:
    unjudged = replace(demo_store.candidate, evaluation=None)
    report = report_on(unjudged, demo_store.data)
    assert report.sections[0].paragraphs[0].startswith("Not known yet")
    assert "What drives conversion?" not in [section.title for section in report.sections]


def test_an_export_without_dates_is_told_of_as_far_as_it_goes() -> None:
    chance = np.random.default_rng(5)
    sources, status = (
        chance.choice(["Referral", "Fair"], 160),
        chance.choice(["Won", "Lost", "New"], 160, p=[0.3, 0.5, 0.2]),
    )
    leads = pd.DataFrame(
        {
            "Origin": sources,
            "Size": chance.integers(1, 90, 160),
            "Status": np.where(sources == "Fair", "Lost", status),
        }
    )
    columns = {"status": "Status", "source": "Origin"}
    definition = winnable.Definition.model_validate(
        {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": columns}
    )
    report = winnable.train(winnable.read(leads, definition=definition)).report_
    assert report is not None
    titles = [section.title for section in report.sections]
    assert {"Conversion by source", "Example scores of open leads"} < set(titles)
    assert not {
        "Stability over time",
        "Drift: are recent leads different?",
        "Conversion by segment",
    } & set(titles)
    assert (
        report.sections[0]
        .paragraphs[0]
        .startswith("Yes, the model is significantly better than the base rate.")
    )
    size = (
        f"{(leads['Status'] != 'New').sum()} leads, {(leads['Status'] == 'Won').sum()} of them won"
    )
    assert report.sections[0].notes == (
        f"Evaluated on out-of-fold predictions (cross-validation): {size}.",
    )


def test_a_place_that_cannot_be_written_is_told(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written there"):
        report.write(tmp_path / "file" / "report.html")
