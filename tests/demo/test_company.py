"""The demo company: the same every time, complete, consistent in time, and neither too easy to
foresee nor too hard."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from winnable.data.ingestion.crm import Crm, read_crm
from winnable.definition.load import load_definition
from winnable.demo.company import LEAD_COLUMNS, DemoFiles, write_demo
from winnable.demo.journeys import KIND_NAMES, STAGES
from winnable.errors import DataError, StoreError

OUTCOMES = {"Closed Won", "Closed Lost", "Junk Lead"}
INTENT = ["Pricing page", "Demo request", "Call", "Topic surge"]
INTEREST = ["E-mail opened", "E-book", "Webinar", "Website session", "Event booth"]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return write_demo(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def export(company: DemoFiles) -> pd.DataFrame:
    """leads.csv to the letter."""
    return pd.read_csv(company.leads, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def crm(company: DemoFiles) -> Crm:
    """The same company as the house reads it, with its own definition."""
    return read_crm(
        load_definition(company.definition),
        str(company.leads),
        str(company.activities),
        str(company.history),
    )


@pytest.fixture(scope="module")
def leads(crm: Crm) -> pd.DataFrame:
    """The leads; `@opened` is when the present episode began, `@ended` when it ended, be that
    dated or only in the history."""
    assert crm.history is not None
    leads = crm.leads.set_index("@id")
    moves = crm.history[crm.history["@field"] == "Lead Status"].sort_values("@at")
    returns = moves[moves["@old"].isin(OUTCOMES)].groupby("@id")["@at"].last()
    leads["@opened"] = returns.reindex(leads.index).fillna(leads["@created"])
    last = moves.groupby("@id").tail(1).set_index("@id")
    ended = last["@at"][last["@new"].isin(OUTCOMES)]
    leads["@ended"] = ended.reindex(leads.index)
    return leads


@pytest.fixture(scope="module")
def activities(crm: Crm, leads: pd.DataFrame) -> pd.DataFrame:
    assert crm.activities is not None
    return crm.activities.join(leads[["@created", "@closed", "@status"]], on="@id")


@pytest.fixture(scope="module")
def history(crm: Crm, leads: pd.DataFrame) -> pd.DataFrame:
    assert crm.history is not None
    return crm.history.join(leads[["@created", "@closed", "@status"]], on="@id")


def contents(files: DemoFiles) -> list[bytes]:
    return [
        path.read_bytes()
        for path in (
            files.leads,
            files.activities,
            files.history,
            files.definition,
            files.open_leads,
        )
    ]


def test_the_same_size_and_seed_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    first = contents(write_demo(tmp_path / "one", leads=300, seed=3))
    assert contents(write_demo(tmp_path / "two", leads=300, seed=3)) == first
    assert contents(write_demo(tmp_path / "one", leads=300, seed=4))[:3] != first[:3]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "activities.csv",
        "definition.toml",
        "history.csv",
        "leads.csv",
        "open_leads.csv",
    ]


@pytest.mark.parametrize("size", [50, 200, 3000])
def test_as_many_leads_as_were_asked_for(tmp_path: Path, size: int) -> None:
    ids = pd.read_csv(write_demo(tmp_path, leads=size).leads)["Lead ID"]
    assert ids.nunique() == size
    assert size + 2 <= len(ids) <= size * 1.01 + 2


def test_a_small_company_has_too_few_wins_to_learn_from(tmp_path: Path) -> None:
    status = pd.read_csv(write_demo(tmp_path, leads=200).leads)["Lead Status"]
    assert 10 <= (status == "Closed Won").sum() <= 25


def test_a_company_without_leads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least 50 leads .* got 0"):
        write_demo(tmp_path, leads=0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "occupied"
    file.write_text("mine")
    with pytest.raises(StoreError, match="occupied"):
        write_demo(file, leads=60)
    assert file.read_text() == "mine"

    (tmp_path / "leads.csv").mkdir()
    with pytest.raises(StoreError, match=re.escape(str(tmp_path))):
        write_demo(tmp_path, leads=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leads.csv", "occupied"]


def test_every_column_and_status_is_there(export: pd.DataFrame) -> None:
    assert tuple(export.columns) == LEAD_COLUMNS
    assert set(export["Lead Status"]) == {*STAGES, *OUTCOMES}


def test_the_house_reads_every_row_but_the_repeated_and_the_orphaned(crm: Crm) -> None:
    assert crm.rejects.groupby("table").size().to_dict() == {"activities": 3, "leads": 6}
    assert len(crm.leads) == 3000
    assert crm.leads["@created"].notna().all()


def test_base_rate_and_sales_cycles_are_those_of_the_field(leads: pd.DataFrame) -> None:
    won = leads[leads["@status"] == "Closed Won"]
    assert 0.05 <= len(won) / len(leads) <= 0.15
    days = (won["@ended"] - won["@opened"]).dt.total_seconds() / 86_400
    assert 20 <= days.median() <= 60
    assert days.quantile(0.05) > 7
    assert days.max() > 180
    still_open = ~leads["@status"].isin(OUTCOMES)
    assert 0.05 <= still_open.mean() <= 0.25
    assert leads["@ended"].isna().equals(still_open)


def test_the_base_rate_falls_mildly_and_the_volume_has_seasons(tmp_path: Path) -> None:
    files = write_demo(tmp_path, leads=20_000)
    leads = pd.read_csv(files.leads).drop_duplicates("Lead ID").set_index("Lead ID")
    created = pd.to_datetime(leads["Created Date"], format="mixed", utc=True)
    history = pd.read_csv(files.history, parse_dates=["At"])
    first_win = history[history["New"] == "Closed Won"].groupby("Lead ID")["At"].min()
    won = first_win.reindex(leads.index) - created <= pd.Timedelta(90, "D")
    early, late = (
        won[created < "2025-01-01"].mean(),
        won[(created >= "2025-10-01") & (created < "2026-03-31")].mean(),
    )
    assert 0.5 < late / early < 0.95
    months = created.dt.tz_localize(None).dt.to_period("M").value_counts()
    assert months["2024-12"] < months["2024-10"] > months["2024-08"]
    assert months["2026-03"] > months["2025-03"]
    assert created.dt.day_of_week.value_counts(normalize=True)[[5, 6]].sum() < 0.15


def test_nothing_is_newer_than_the_present_and_causes_come_first(
    company: DemoFiles, leads: pd.DataFrame, activities: pd.DataFrame, history: pd.DataFrame
) -> None:
    newest = [
        leads["@created"],
        leads["@closed"],
        activities["@at"],
        activities["@recorded"],
        history["@at"],
    ]
    assert all(column.max() < company.as_of for column in newest)
    assert leads["@created"].min() >= company.as_of - pd.Timedelta(730, "D")
    assert activities["@at"].min() >= company.as_of - pd.Timedelta(760, "D")
    closed = leads.dropna(subset="@closed")
    assert (closed["@created"] < closed["@closed"]).all()
    assert (activities["@at"] <= activities["@recorded"]).all()
    assert (history["@at"] > history["@created"]).all()


def test_after_a_win_there_are_only_a_few_calls(activities: pd.DataFrame) -> None:
    after = activities[
        (activities["@status"] == "Closed Won") & (activities["@at"] >= activities["@closed"])
    ]
    assert set(after["@kind"]) == {"Call"}
    assert 0 < len(after) < (activities["@status"] == "Closed Won").sum() * 0.05


def test_the_status_history_leads_without_a_gap_to_the_status_of_today(
    leads: pd.DataFrame, history: pd.DataFrame
) -> None:
    moves = history[history["@field"] == "Lead Status"].sort_values(["@id", "@at"], kind="stable")
    old, new = moves["@old"], moves["@new"]
    same = moves["@id"] == moves["@id"].shift()
    assert (old[same] == new.shift()[same]).all()
    assert (old[~same] == "New").all()
    last = moves.groupby("@id").tail(1).set_index("@id")
    assert last["@new"].equals(leads["@status"].reindex(last.index).rename("@new"))
    assert (leads.drop(last.index)["@status"] == "New").all()
    done = last[last["@new"].isin(OUTCOMES) & last["@closed"].notna()]
    assert (done["@at"] == done["@closed"]).all()
    assert (old[new == "Closed Won"] == "Opportunity").all()


def returns_of(history: pd.DataFrame) -> pd.DataFrame:
    """The changes of a status from closed to open."""
    moves = history[history["@field"] == "Lead Status"]
    return moves[moves["@old"].isin(OUTCOMES)]


def test_one_in_ten_of_the_closed_come_back_and_some_of_these_are_won(
    leads: pd.DataFrame, history: pd.DataFrame
) -> None:
    back = returns_of(history)
    assert set(back["@new"]) == {"New", "Marketing Qualified"}
    moves = history[history["@field"] == "Lead Status"]
    ever_closed = moves[moves["@new"].isin({"Closed Won", "Closed Lost"})]["@id"].nunique()
    assert 0.08 < back["@id"].nunique() / ever_closed < 0.14
    again = leads.loc[back[back["@old"] == "Closed Lost"]["@id"].unique(), "@status"]
    assert 0.05 < (again == "Closed Won").mean() < 0.4
    assert (~again.isin(OUTCOMES)).sum() > 20
    assert (back["@old"] == "Closed Won").sum() > 10


def test_the_row_of_who_came_back_tells_of_the_present_episode_alone(
    leads: pd.DataFrame, history: pd.DataFrame
) -> None:
    back = leads.loc[returns_of(history)["@id"].unique()]
    dated = back.dropna(subset="@closed")
    assert (dated["@closed"] > dated["@opened"]).all()
    assert dated["@closed"].equals(dated["@ended"].rename("@closed"))
    assert back[~back["@status"].isin(OUTCOMES)]["@closed"].isna().all()


def test_a_fifth_of_the_lost_have_no_date_mostly_early_ones_and_the_history_has_it(
    leads: pd.DataFrame,
) -> None:
    lost = leads[leads["@status"] == "Closed Lost"]
    undated = lost["@closed"].isna()
    assert 0.15 < undated.mean() < 0.25
    early = lost["@ended"] < "2025-07-01"
    assert undated[early].mean() > 2 * undated[~early].mean()
    assert lost["@ended"].notna().all()
    assert leads[leads["@status"] == "Closed Won"]["@closed"].notna().all()


def test_some_are_passed_back_to_marketing_and_come_again(history: pd.DataFrame) -> None:
    moves = history[history["@field"] == "Lead Status"]
    back = moves[
        (moves["@new"] == "New") & moves["@old"].isin({"Marketing Qualified", "Accepted by Sales"})
    ]
    assert 0.03 < back["@id"].nunique() / 3000 < 0.3
    again = moves[(moves["@new"] == "Marketing Qualified")].groupby("@id").size()
    assert (again >= 2).sum() > 30


def test_fields_change_in_the_history_and_end_as_the_export_has_them(
    leads: pd.DataFrame, history: pd.DataFrame
) -> None:
    for name in ("Budget", "Timeline", "Title", "Decision Reason"):
        last = history[history["@field"] == name].groupby("@id").tail(1).set_index("@id")["@new"]
        today = leads[name].reindex(last.index)
        if name == "Budget":
            today = today.str.replace(r"[^0-9]", "", regex=True)
        assert len(last) > 80
        assert (last.fillna("").str.lower() == today.fillna("").str.lower()).all()


def test_every_change_starts_from_the_value_before(history: pd.DataFrame) -> None:
    changed = history.sort_values(["@id", "@field", "@at"], kind="stable")
    same = (changed["@id"] == changed["@id"].shift()) & (
        changed["@field"] == changed["@field"].shift()
    )
    assert same.sum() > 3000
    before = changed["@new"].shift()[same].fillna("")
    assert (changed["@old"][same].fillna("") == before).all()


def test_bant_is_half_known(leads: pd.DataFrame) -> None:
    assert 0.3 < leads["Budget"].notna().mean() < 0.7
    assert 0.3 < leads["Timeline"].notna().mean() < 0.7


def test_the_trap_is_set_after_the_outcome_and_never_for_open_leads(
    leads: pd.DataFrame, history: pd.DataFrame
) -> None:
    trap = history[history["@field"] == "Decision Reason"]
    moves = history[(history["@field"] == "Lead Status") & history["@new"].isin(OUTCOMES)]
    assert (trap["@at"] > trap["@id"].map(moves.groupby("@id")["@at"].min())).all()
    given = trap.groupby("@id").tail(1).dropna(subset="@new").set_index("@id")["@at"]
    assert (given > leads["@ended"].reindex(given.index)).all()
    filled = leads["Decision Reason"].notna()
    assert not filled[~leads["@status"].isin(OUTCOMES)].any()
    assert filled[leads["@status"] == "Closed Won"].mean() > 0.75
    won = (leads["@status"] == "Closed Won")[filled]
    share = won.groupby(leads["Decision Reason"][filled]).mean()
    assert share["Best fit"] == 1.0
    assert 0 < share["Price"] < 1


def test_no_other_column_says_by_being_filled_what_became_of_the_lead(leads: pd.DataFrame) -> None:
    closed = leads[leads["@status"].isin({"Closed Won", "Closed Lost"})]
    for name in set(LEAD_COLUMNS) - {"Decision Reason", "Close Date"}:
        assert (
            abs(roc_auc_score(closed["@status"] == "Closed Won", closed[name].notna()) - 0.5) < 0.06
        ), name


def test_careless_typing_is_there(export: pd.DataFrame) -> None:
    assert 0.02 < (export["Industry"] == "Select").mean() < 0.1
    assert (export["Lead Source"] == "Select").any()
    assert (export["Employees"] == "n/a").any()
    assert export["Employees"].str.contains(",").any()
    assert export["Country"].str.endswith(" ").any()
    assert export["Budget"].str.startswith("€").any()
    assert (export["Email"].str.isupper() & export["Email"].str.contains("@")).any()
    forms = export["Created Date"].str.replace(r"\d", "9", regex=True).value_counts(normalize=True)
    assert set(forms.index) == {
        "9999-99-99T99:99:99Z",
        "9999-99-99 99:99:99",
        "9999-99-99T99:99:99+99:99",
    }
    assert 0 < forms.drop("9999-99-99T99:99:99Z").sum() < 0.1


def test_junk_is_there_and_is_never_won(leads: pd.DataFrame) -> None:
    assert (leads["First Name"] + " " + leads["Last Name"]).eq("Mickey Mouse").any()
    thrown_away = (
        leads["Email"].str.lower().str.contains("mailinator|trashmail|guerrillamail", na=False)
    )
    assert 0.01 < thrown_away.mean() < 0.06
    assert leads["Phone"].isin({"000000", "123456", "1111111111"}).any()
    junk = leads["@status"] == "Junk Lead"
    assert 0.02 < junk.mean() < 0.06
    assert not (leads["@status"][thrown_away] == "Closed Won").any()


def test_one_person_may_stand_there_twice(export: pd.DataFrame, leads: pd.DataFrame) -> None:
    assert export.duplicated().sum() == 6
    person = leads["@person"].str.lower()
    copies = person[
        person.duplicated(keep=False)
        & ~person.str.contains("asdf|test|trashmail|mailinator|guerrilla")
    ]
    assert 80 <= person.loc[copies.index].duplicated().sum() <= 140
    records = leads.loc[copies.index].assign(person=copies).sort_values(["person", "@created"])
    pause = records.groupby("person")["@created"].diff().dt.days.dropna()
    assert (pause < 10).sum() >= 30
    assert (pause > 60).sum() >= 30


def test_the_unacceptable_country_is_there_and_never_won(leads: pd.DataFrame) -> None:
    there = leads["Country"] == "Atlantis"
    assert 0.01 < there.mean() < 0.04
    assert not (leads["@status"][there] == "Closed Won").any()


def test_every_kind_of_activity_is_there_and_some_are_recorded_late(
    activities: pd.DataFrame,
) -> None:
    assert set(activities["@kind"]) == set(KIND_NAMES)
    late = (activities["@recorded"] - activities["@at"]).dt.total_seconds().groupby(
        activities["@kind"]
    ).mean() / 86_400
    assert late["Event booth"] > 2
    assert 0 < late["Call"] < 1
    assert late["Website session"] == 0


def early_counts(leads: pd.DataFrame, activities: pd.DataFrame) -> pd.DataFrame:
    """Activities of each kind that were known 14 days after the lead's creation."""
    known = activities[activities["@recorded"] < activities["@created"] + pd.Timedelta(14, "D")]
    return (
        known.groupby(["@id", "@kind"]).size().unstack(fill_value=0).reindex(leads.index).fillna(0)
    )


def test_intent_tells_more_than_interest_and_the_providers_surge_tells_nothing(
    company: DemoFiles, leads: pd.DataFrame, activities: pd.DataFrame
) -> None:
    asked = leads[leads["@created"] < company.as_of - pd.Timedelta(180, "D")]
    won, early = asked["@status"] == "Closed Won", early_counts(asked, activities)
    auc = {kind: roc_auc_score(won, early[kind]) for kind in KIND_NAMES}
    assert max(auc[kind] for kind in ("E-book", "Webinar", "Event booth")) < 0.56
    assert min(auc[kind] for kind in ("Pricing page", "Demo request")) > 0.62
    assert abs(auc["Topic surge"] - 0.5) < 0.05


def test_a_sensible_model_finds_the_signal_but_is_never_sure(
    company: DemoFiles, leads: pd.DataFrame, activities: pd.DataFrame
) -> None:
    asked = leads[leads["@created"] < company.as_of - pd.Timedelta(90, "D")].sort_values("@created")
    won = (asked["@status"] == "Closed Won") & (
        asked["@closed"] - asked["@created"] <= pd.Timedelta(90, "D")
    )
    words = asked[["Title", "Industry", "Country", "Lead Source", "Timeline"]]
    attributes = pd.get_dummies(words.map(str.lower, na_action="ignore"))
    employees = pd.to_numeric(asked["Employees"].str.replace(",", ""))
    attributes["size"] = np.log(employees.fillna(employees.median()))
    with_activities = attributes.join(np.log1p(early_counts(asked, activities)))
    past = len(asked) * 7 // 10

    def auc(features: pd.DataFrame) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02)).fit(
            features[:past].astype(float), won[:past]
        )
        return float(
            roc_auc_score(won[past:], model.predict_proba(features[past:].astype(float))[:, 1])
        )

    assert 0.62 < auc(attributes) < 0.78
    assert auc(attributes) + 0.03 < auc(with_activities) < 0.88


def test_large_companies_win_by_rank_and_meet_at_booths(
    leads: pd.DataFrame, activities: pd.DataFrame
) -> None:
    employees = pd.to_numeric(leads["Employees"].str.replace(",", ""))
    large = employees >= 1000
    assert 0.08 < large.mean() < 0.25
    booths = (
        (activities["@kind"] == "Event booth")
        .groupby(activities["@id"])
        .sum()
        .reindex(leads.index)
        .fillna(0)
    )
    pages = (
        (activities["@kind"] == "Pricing page")
        .groupby(activities["@id"])
        .sum()
        .reindex(leads.index)
        .fillna(0)
    )
    assert booths[large].mean() > 1.3 * booths[~large].mean()
    assert pages[large].mean() < 0.8 * pages[~large].mean()


def test_purchased_lists_stand_at_the_bottom_and_referrals_at_the_top(leads: pd.DataFrame) -> None:
    won = (leads["@status"] == "Closed Won").groupby(leads["@source"]).mean().sort_values()
    assert won.index[0] in {"Purchased list", "Cold call"}
    assert won.index[-1] in {"Referral", "Partner"}
    assert won["Purchased list"] < 0.05


def test_the_definition_is_complete_and_fits_the_data(
    company: DemoFiles, leads: pd.DataFrame
) -> None:
    definition = load_definition(company.definition)
    assert definition.growth_stage == "growth"
    assert [card.name for card in definition.scorecard] == ["Enterprise", "Everyone"]
    assert set(definition.fields()) <= set(LEAD_COLUMNS)
    assert {status for stage in definition.stages.values() for status in stage.status} == set(
        leads["@status"]
    )
    assert list(definition.activities.intent) == INTENT
    assert list(definition.activities.interest) == INTEREST
    assert {kind for measure in definition.aggregates() for kind in measure.kinds} <= set(
        KIND_NAMES
    )
    assert "Decision Reason" not in definition.columns.ignore
    sources = {
        value for c in definition.conditions() if c.field == "Lead Source" for value in c.any_of
    }
    assert sources <= set(leads["@source"].dropna())


def test_open_leads_are_those_of_the_export_that_are_not_closed(tmp_path: Path) -> None:
    files = write_demo(tmp_path, leads=300)
    everyone, still_open = (
        pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in (files.leads, files.open_leads)
    )
    expected = everyone[
        ~everyone["Lead Status"].isin(["Closed Won", "Closed Lost", "Junk Lead"])
    ].drop_duplicates()
    assert len(still_open) > 10
    assert still_open.to_dict("records") == expected.to_dict("records")


def test_a_later_export_holds_the_first_leads_as_they_stand_by_then_and_new_ones(
    tmp_path: Path,
) -> None:
    now, later = (
        write_demo(tmp_path / str(months), leads=300, months=months) for months in (24, 27)
    )
    before, after = (
        pd.read_csv(files.leads, dtype=str, keep_default_na=False) for files in (now, later)
    )
    before, after = (
        table.drop_duplicates("Lead ID").set_index("Lead ID") for table in (before, after)
    )
    assert after.index[: len(before)].equals(before.index)
    assert len(after) > 1.08 * len(before)
    moved = pd.read_csv(later.history, parse_dates=["At"]).query("Field == 'Lead Status'")
    moved = moved[moved["At"] >= "2026-06-30"]
    closed = before["Lead Status"].isin(OUTCOMES)
    back = before.index.isin(moved["Lead ID"])
    pd.testing.assert_frame_equal(
        after.loc[before.index][closed & ~back].drop(columns=FILLED_IN),
        before[closed & ~back].drop(columns=FILLED_IN),
    )
    assert 0 < back[closed].mean() < 0.1
    assert after.loc[before.index][~closed]["Lead Status"].isin(OUTCOMES).mean() > 0.3
    for name in ("activities", "history"):
        first, second = (
            set(getattr(files, name).read_text().splitlines()) for files in (now, later)
        )
        assert {line for line in first - second if not line.startswith("L-99990")} == set()
        assert len(second) > len(first)
    assert later.as_of.isoformat()[:10] == "2026-10-01"


FILLED_IN = [
    "Title",
    "Budget",
    "Timeline",
    "Decision Reason",
]  # may change after the close, as the field history tells
