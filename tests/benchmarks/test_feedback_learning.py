"""A simulated quarter: does retraining with what sales told beat retraining without, on the same
later leads?

The company writes an outcome into its CRM 45 days late on average, as such companies do; sales
tells seven outcomes in ten on the day, and accepts or rejects as its leads move on or back. At the
end of the quarter two models are trained on the same export, one of which hears sales. Both are
judged on what became of the leads of the months after, by the CRM as it finally was.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnable.core.statistics import base_rate
from winnable.core.timestamps import microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.offline import compute_features
from winnable.data.features.point_in_time import as_of
from winnable.data.features.training_rows import build_training_rows
from winnable.data.feedback.apply_labels import apply_labels
from winnable.data.feedback.store.records import Label
from winnable.data.ingestion.crm import Crm, latest_moment, read_crm
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.demo.company import write_demo
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.metrics import evaluate
from winnable.learning.training.train import TrainingOptions, learn

BEGIN, END = datetime(2025, 10, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
LATE, TOLD, WRONG = 45.0, 0.7, 0.3
SEEDS, LEADS = (7, 8), 2500


def lagging(definition: Definition, then: Crm, rng: np.random.Generator) -> Crm:
    """The CRM of `then` without the outcomes that nobody has written down yet."""
    closed = then.leads["@closed"]
    written = closed + pd.to_timedelta(rng.exponential(LATE, len(closed)), unit="D")
    missing = closed.notna() & (written > pd.Timestamp(END))
    leads = then.leads.copy()
    leads.loc[missing, ["@status", definition.columns.status]] = "Opportunity"
    leads.loc[missing, "@closed"] = pd.NaT
    status = then.history["@field"] == definition.columns.status  # type: ignore[index]
    unknown = then.history["@id"].isin(leads.loc[missing, "@id"]) & then.history["@new"].isin(  # type: ignore[index]
        [*definition.outcome.won, *definition.outcome.lost]
    )
    return replace(then, leads=leads, history=then.history[~(status & unknown)])  # type: ignore[index]


def told_by_sales(
    definition: Definition, then: Crm, rng: np.random.Generator, wrong: float
) -> list[Label]:
    """The labels of the quarter: outcomes on their day, opinions where leads are taken up or passed
    back; a share of the opinions is replaced by chance."""
    closed = then.leads[(then.leads["@closed"] >= pd.Timestamp(BEGIN)).fillna(False)]
    said = [
        (
            lead["@id"],
            "won" if lead["@status"] in definition.outcome.won else "lost",
            lead["@closed"],
        )
        for lead in closed.to_dict("records")
        if rng.random() < TOLD
    ]
    moves = then.history[
        (then.history["@field"] == definition.columns.status)
        & (then.history["@at"] >= pd.Timestamp(BEGIN))
    ]  # type: ignore[index]
    for move in moves.to_dict("records"):
        taken_up, passed_back = move["@new"] == "Accepted by Sales", move["@new"] == "New"
        if taken_up or passed_back:
            accepts = bool(rng.random() < 0.5) if rng.random() < wrong else taken_up
            said.append((move["@id"], "accepted" if accepts else "rejected", move["@at"]))
    return [
        Label(
            lead,
            label,
            "Kim",
            at.to_pydatetime(),
            label_id=str(place),
            recorded_at=at.to_pydatetime(),
        )
        for place, (lead, label, at) in enumerate(said)
    ]


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
def test_hearing_sales_helps_on_later_leads_and_wrong_opinions_do_no_harm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = []
    for seed in SEEDS:
        files = write_demo(tmp_path / str(seed), leads=LEADS, seed=seed)
        definition = load_definition(files.definition)
        crm = read_crm(definition, str(files.leads), str(files.activities), str(files.history))
        rng = np.random.default_rng(seed)
        then = as_of(definition, crm, END)
        export = lagging(definition, then, rng)
        heard = apply_labels(
            Dataset(definition, export),
            told_by_sales(definition, then, np.random.default_rng(seed), 0.0),
            [],
        )
        wrong = apply_labels(
            Dataset(definition, export),
            told_by_sales(definition, then, np.random.default_rng(seed), WRONG),
            [],
        )
        # Opinions are weighed and told, but are no outcomes: however many are wrong, what is
        # learned from is the same.
        assert wrong.crm.leads.equals(heard.crm.leads)
        rows = build_training_rows(definition, crm, latest_moment(crm).to_pydatetime())  # type: ignore[union-attr]
        later = rows.take(rows.known & (rows.as_of >= microseconds(END)))
        seen = {}
        for name, history in {"without": export, "with": heard.crm}.items():
            predictor = Predictor(
                learn(Dataset(definition, history, END), TrainingOptions(evaluate=False)).artifact
            )
            features = compute_features(predictor.plan, definition, crm, later.leads, later.as_of)
            answer = predictor.score(features, [""] * features.size, reasons=False).probability
            seen[name] = evaluate(later.won, answer, base_rate(later.won)).log_loss
        losses.append(seen)
        with capsys.disabled():
            print(
                f"\nseed {seed}: {heard.merged.learned} outcomes first, {heard.rows} rows changed,"
                f" {len(later.won):,} later"
            )
            for name, said in (("right", heard.opinions), ("30% wrong", wrong.opinions)):
                up, back = said.accepted_won, said.rejected_won
                print(
                    f"  opinions {name}: won {up.hits} of {up.trials} accepted, {back.hits} of"
                    f" {back.trials} rejected"
                )
    table = pd.DataFrame(losses)
    margin = 100 * (1 - table["with"].mean() / table["without"].mean())
    with capsys.disabled():
        print(f"\n{table.round(4).to_string()}")
        print(f"labels lower the log loss by {margin:.2f}%")
    assert margin > 0
