"""The funnel counts what happened, leaves out what is not known yet, and judges sources by what
sales made of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.core.statistics import wilson
from winnable.data.analysis.funnel import (
    UNKNOWN,
    WITHOUT_CELL,
    By,
    Funnel,
    funnel,
    funnel_table,
    source_of,
)
from winnable.data.analysis.funnel_plot import funnel_plot
from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition
from winnable.learning.reporting.plots import save_plot

NOW = pd.Timestamp("2024-12-31", tz="UTC")


def definition(**more: object) -> Definition:
    return definition_from(
        {
            "outcome": {"won": ["Won"], "lost": ["Lost"], "horizon_days": 60},
            "columns": {
                "id": "id",
                "created": "created",
                "closed": "closed",
                "status": "status",
                "source": "source",
            },
            "stages": {
                "MIL": {"status": ["New"]},
                "MQL": {"status": ["Hot"], "label": "Hot enquiry"},
                "SAL": {"status": ["Accepted"]},
            },
            **more,
        },
        "test",
    )


class Company:
    """A CRM written lead by lead."""

    def __init__(self) -> None:
        self.leads: list[tuple[object, ...]] = []
        self.changes: list[tuple[object, ...]] = []

    def lead(self, source: str, path: str, day: int = 0, times: int = 1) -> None:
        """`times` leads created on `day` of 2024 that went through the statuses of `path` ("New Hot
        Won"), a day each."""
        for _ in range(times):
            key, words = f"L{len(self.leads)}", path.split()
            created = pd.Timestamp("2024-01-01") + pd.Timedelta(days=day)
            days = [created + pd.Timedelta(days=i) for i in range(len(words))]
            closed = days[-1].date() if words[-1] in {"Won", "Lost"} else ""
            self.leads.append((key, created.date(), closed, words[-1], source))
            self.changes += [
                (key, days[i], "status", words[i - 1], words[i]) for i in range(1, len(words))
            ]

    def read(self, folder: Path, agreed: Definition, *, history: bool = True) -> Crm:
        leads = pd.DataFrame(self.leads, columns=["id", "created", "closed", "status", "source"])
        leads.to_csv(folder / "leads.csv", index=False)
        pd.DataFrame(self.changes, columns=["id", "at", "field", "old", "new"]).to_csv(
            folder / "history.csv", index=False
        )
        return read_crm(
            agreed,
            str(folder / "leads.csv"),
            history=str(folder / "history.csv") if history else None,
        )


def report(
    company: Company, folder: Path, by: By = "source", *, history: bool = True, **more: object
) -> Funnel:
    agreed = definition(**more)
    return funnel(Dataset(agreed, company.read(folder, agreed, history=history), NOW), by)


@pytest.fixture
def company() -> Company:
    return Company()


def test_stages_are_counted_as_they_were_reached(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "New Hot Accepted Won", times=2)
    company.lead("Web", "New Hot Lost", times=3)
    company.lead("Web", "New", times=5)
    company.lead("Web", "New Hot", day=340, times=4)
    told = report(company, tmp_path)
    assert [(step.name, step.volume, step.before, step.reached) for step in told.steps] == [
        ("Leads", 14, 10, 10),
        ("Marketing identified lead", 14, 10, 10),
        ("Hot enquiry", 9, 10, 5),
        ("Sales accepted lead", 2, 5, 2),
        ("Closed Won", 2, 2, 2),
    ]
    assert told.notes == (
        "4 leads came less than 60 days ago; they count as volume, but not in conversions.",
    )


def test_without_moves_no_stage_is_claimed(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "New Hot Won", times=2)
    company.lead("Web", "New Lost", times=3)
    told = report(company, tmp_path, history=False)
    assert [step.name for step in told.steps] == ["Leads", "Closed Won"]
    assert "how far 3 leads got" in told.notes[-1]


def test_a_lead_that_comes_back_counts_again(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "New Lost Hot Won")
    company.lead("Web", "New Hot Accepted New Lost", times=9)
    told = report(company, tmp_path)
    assert told.steps[0].volume == 11
    assert told.steps[-1].volume == 1
    assert (told.moves["recycled"], told.moves["passed back"]) == (1, 9)
    assert "1 times a lead came back" in " ".join(told.notes)


def test_sources_are_drawn_to_each_other_and_graded(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "New Won", times=30)
    company.lead("Web", "New Lost", times=170)
    company.lead("Fair", "New Won")
    company.lead("List", "New Lost", times=200)
    groups = {group.name: group for group in report(company, tmp_path, history=False).groups}
    assert groups["Fair"].conversion < 0.95, "one lead is no proof"
    assert groups["List"].low < groups["List"].conversion < groups["List"].high
    assert (groups["Web"].grade, groups["List"].grade) == ("hot", "cold")
    assert "refuse" in groups["List"].advice
    assert groups["Web"].advice == groups["Fair"].advice == ""


def test_a_source_that_sales_ignores_is_not_refused_but_taken_up(
    company: Company, tmp_path: Path
) -> None:
    company.lead("Usual", "New Accepted Won", times=40)
    company.lead("Usual", "New Accepted Lost", times=360)
    company.lead("Ignored", "New Accepted Won", times=15)
    company.lead("Ignored", "New Accepted Lost", times=15)
    company.lead("Ignored", "New Lost", times=370)
    company.lead("Hopeless", "New Accepted Lost", times=150)
    advice = {group.name: group.advice for group in report(company, tmp_path).groups}
    assert advice["Ignored"].startswith("take up")
    assert advice["Hopeless"].startswith("refuse")
    assert advice["Usual"] == ""


def test_a_good_source_that_the_gate_leaves_out_is_named(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "Lost", times=300)
    company.lead("Web", "Won", times=20)
    company.lead("Friends", "Won", times=40)
    company.lead("Friends", "Lost", times=60)
    told = report(
        company, tmp_path, history=False, growth_stage="mature", gate={"sources": ["Web"]}
    )
    assert next(group for group in told.groups if group.name == "Friends").advice.startswith(
        "take up: the gate excludes it"
    )


def test_by_month(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "Won", day=0, times=1)
    company.lead("Web", "Lost", day=3, times=3)
    company.lead("Web", "New", day=340, times=2)
    groups = report(company, tmp_path, "month").groups
    assert [(group.name, group.leads, group.young) for group in groups] == [
        ("2024-01", 4, 0),
        ("2024-12", 2, 2),
    ]
    assert groups[0].conversion == 0.25
    assert np.isnan(groups[1].conversion)


def test_a_missing_source_is_the_last_marketing_touch(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(
        "id,created,closed,status,source\n1,2024-03-01,,New,\n2,2024-03-01,,New,Fair\n3,2024-03-01,,New,\n"
    )
    (tmp_path / "activities.csv").write_text(
        "id,at,kind\n1,2024-02-01,Webinar\n1,2024-02-20,E-book\n1,2024-02-27,Call\n1,2024-03-05,Webinar\n2,2024-02-20,E-book\n"
    )
    agreed = definition(activities={"interest": ["Webinar", "E-book"]})
    crm = read_crm(agreed, str(tmp_path / "leads.csv"), str(tmp_path / "activities.csv"))
    assert source_of(Dataset(agreed, crm)).fillna(UNKNOWN).to_list() == ["E-book", "Fair", UNKNOWN]


def test_the_table_holds_every_stage_and_group(company: Company, tmp_path: Path) -> None:
    company.lead("Web", "New Hot Won", times=2)
    company.lead("Fair", "New Lost", times=3)
    table = funnel_table(report(company, tmp_path))
    assert table["part"].value_counts().to_dict() == {"stage": 5, "source": 2}
    assert table.loc[table["name"] == "Web", "reached Hot enquiry"].item() == 2


@pytest.mark.parametrize("by", ["source", "month"])
def test_the_plot_is_drawn(company: Company, tmp_path: Path, by: By) -> None:
    company.lead("Web", "New Hot Won", times=2)
    company.lead("Fair", "New Lost", times=3)
    told = report(company, tmp_path, by)
    figure = funnel_plot(told)
    save_plot(figure, tmp_path / "funnel.png")
    assert (tmp_path / "funnel.png").read_bytes().startswith(b"\x89PNG")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        step.name for step in told.steps
    ]


def test_no_leads_at_all(company: Company, tmp_path: Path) -> None:
    told = report(company, tmp_path)
    assert [step.volume for step in told.steps] == [0, 0]
    assert told.groups == ()
    assert funnel_plot(told).axes


def test_wilson_is_the_published_interval() -> None:
    low, high = wilson(5, 10)
    assert (round(low, 4), round(high, 4)) == (0.2693, 0.7307)
    assert wilson(0, 0) == (0.0, 1.0)


def test_x_education_sources(shared_data: Path) -> None:
    agreed = definition_from(
        {
            "outcome": {"won": ["1"], "lost": ["0"]},
            "columns": {"status": "Converted", "source": "Lead Source"},
        },
        "test",
    )
    crm = read_crm(agreed, str(shared_data / "x-education" / "Leads.csv"))
    groups = {group.name: group for group in funnel(Dataset(agreed, crm)).groups}
    assert (groups["Reference"].leads, groups["Reference"].won, groups["Reference"].grade) == (
        534,
        490,
        "hot",
    )
    assert groups["blog"].high - groups["blog"].low > 0.3, "one lead leaves much open"


def test_several_leads_of_one_person_are_one_of_the_people_at_each_stage(tmp_path: Path) -> None:
    columns = {"id": "id", "created": "created", "closed": "closed", "status": "status"}
    agreed = definition(columns={**columns, "person": "email"})
    rows = [
        ("L1", "2024-01-01", "2024-01-05", "Lost", "ann@x.org"),
        ("L2", "2024-02-01", "2024-02-05", "Won", "Ann@x.org"),
        ("L3", "2024-02-01", "2024-02-05", "Won", "ann+2@x.org"),
        ("L4", "2024-02-01", "2024-02-05", "Won", "bob@x.org"),
    ]
    table = pd.DataFrame(rows, columns=["id", "created", "closed", "status", "email"])
    table.to_csv(tmp_path / "leads.csv", index=False)
    crm = read_crm(agreed, str(tmp_path / "leads.csv"), now=NOW)
    steps = funnel(Dataset(agreed, crm, NOW.to_pydatetime())).steps
    assert [(step.volume, step.people) for step in (steps[0], steps[-1])] == [(4, 2), (3, 2)]


def test_cells_are_compared_by_the_first_score_that_was_kept(
    company: Company, tmp_path: Path
) -> None:
    company.lead("Web", "New Hot Accepted Won", times=2)
    company.lead("Web", "New Lost", times=3)
    agreed = definition(grid={"words": {"A1": "Call today"}})
    data = Dataset(agreed, company.read(tmp_path, agreed), NOW)
    scored = pd.Timestamp("2024-01-02", tz="UTC").to_pydatetime()
    cells = {"L0": "A1", "L1": "A1", "L2": "D4", "L3": "A1", "gone": "B2"}
    told = funnel(data, "grid", {lead: (scored, cell) for lead, cell in cells.items()})
    assert [(group.name, group.leads, group.won) for group in told.groups] == [
        ("A1 Call today", 3, 2),
        ("D4", 1, 0),
        (WITHOUT_CELL, 1, 0),
    ]
    assert "first kept score" in told.notes[-1]
    table = funnel_table(told)
    assert table[table["part"] == "grid"]["name"].tolist() == [
        "A1 Call today",
        "D4",
        WITHOUT_CELL,
    ]


def test_a_cell_tells_only_of_the_time_in_which_it_was_given(
    company: Company, tmp_path: Path
) -> None:
    """A lead that was lost, came back, was scored then and won: the cell is not of the loss."""
    company.lead("Web", "New Lost Hot Won")
    agreed = definition(grid={})
    data = Dataset(agreed, company.read(tmp_path, agreed), NOW)
    scored = pd.Timestamp("2024-01-04T12:00", tz="UTC").to_pydatetime()
    told = funnel(data, "grid", {"L0": (scored, "B1")})
    assert [(group.name, group.leads, group.won) for group in told.groups] == [
        ("B1", 1, 1),
        (WITHOUT_CELL, 1, 0),
    ]
    early = pd.Timestamp("2023-12-01", tz="UTC").to_pydatetime()
    told = funnel(data, "grid", {"L0": (early, "B1")})
    assert [group.name for group in told.groups] == [WITHOUT_CELL]
