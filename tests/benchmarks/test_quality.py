"""How good are the probabilities? Log loss on unseen leads of real histories, beside the usual
learners on the same rows.

The learners are those that people reach for: the base rate, ridge logistic regression, LightGBM and
CatBoost as they come. A cell is a set and a number of leads; its regret is how much larger our log
loss is than the best learner's, chosen after the fact. The table and the plot are written beside
this file, and the README shows them.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import log_loss

from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.learning.model.lead_model import LeadModel, TrainingData
from winnable.learning.model.scorer import Prediction
from winnable.learning.training.metrics import evaluate

SIZES = (100, 500, 2000)
TARGET = "won"
HERE = Path(__file__).parent


def x_education(data: Path) -> pd.DataFrame:
    rows = pd.read_csv(data / "x-education/Leads.csv").replace("Select", np.nan)
    late = ["Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"]
    late += [column for column in rows.columns if column.startswith("Asymmetrique")]
    return rows.drop(columns=[*late, "Prospect ID", "Lead Number"]).rename(
        columns={"Converted": TARGET}
    )


def bank(data: Path) -> pd.DataFrame:
    rows = pd.read_csv(data / "bank-marketing/bank-additional-full.csv", sep=";")
    return rows.assign(won=(rows["y"] == "yes").astype(int)).drop(columns=["y", "duration"])


def maven(data: Path) -> pd.DataFrame:
    rows = pd.read_csv(data / "maven-crm/sales_pipeline.csv")
    rows = rows[rows["deal_stage"].isin(["Won", "Lost"])]
    rows = rows.merge(pd.read_csv(data / "maven-crm/accounts.csv"), how="left", on="account")
    known = [
        "sales_agent",
        "product",
        "account",
        "sector",
        "revenue",
        "employees",
        "office_location",
    ]
    return rows[known].assign(won=(rows["deal_stage"] == "Won").astype(int))


def features_of(rows: pd.DataFrame) -> FeatureTable:
    columns = {
        name: (
            NumericColumn(values.to_numpy(dtype=float))
            if pd.api.types.is_numeric_dtype(values)
            else CategoricalColumn.of([None if pd.isna(value) else str(value) for value in values])
        )
        for name, values in rows.items()
    }
    return FeatureTable(len(rows), columns)


def ours(known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame) -> Prediction:
    model = LeadModel().fit(
        TrainingData(features_of(known), won.astype(float), np.full(len(won), np.log(0.1 / 0.9)))
    )
    return model.answer(features_of(unseen), np.full(len(unseen), np.log(0.1 / 0.9)))


def share_held(truth: np.ndarray, answer: Prediction) -> float:
    """The share of ten groups of leads with similar scores whose rate won lies in the group's mean
    interval."""
    groups = np.array_split(np.argsort(answer.probability, kind="stable"), 10)
    return float(
        np.mean([answer.low[g].mean() <= truth[g].mean() <= answer.high[g].mean() for g in groups])
    )


def base_rate(known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame) -> np.ndarray:
    return np.full(len(unseen), (won.sum() + 1) / (len(won) + 2))


def catboost(known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame) -> np.ndarray:
    from catboost import CatBoostClassifier

    words = [name for name, values in known.items() if not pd.api.types.is_numeric_dtype(values)]
    known, unseen = (part.fillna(dict.fromkeys(words, "missing")) for part in (known, unseen))
    quiet = {"verbose": 0, "allow_writing_files": False}
    model = CatBoostClassifier(iterations=400, thread_count=1, cat_features=words, **quiet)
    return model.fit(known, won).predict_proba(unseen)[:, 1]


def lightgbm(known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame) -> np.ndarray:
    from lightgbm import LGBMClassifier

    words = {
        name: values.dropna().unique()
        for name, values in known.items()
        if not pd.api.types.is_numeric_dtype(values)
    }
    known, unseen = (
        part.assign(
            **{name: pd.Categorical(part[name], levels).codes for name, levels in words.items()}
        )
        for part in (known, unseen)
    )
    model = LGBMClassifier(verbose=-1, n_jobs=1).fit(known, won, categorical_feature=list(words))
    return model.predict_proba(unseen)[:, 1]


def ridge(known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame) -> np.ndarray:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=3, max_categories=40)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (words, make_column_selector(dtype_exclude="number")),
        (numbers, make_column_selector(dtype_include="number")),
    )
    logistic = LogisticRegressionCV(
        Cs=np.logspace(-3, 1, 7), cv=5, scoring="neg_log_loss", max_iter=500
    )
    model = make_pipeline(columns, logistic)
    return model.fit(known, won).predict_proba(unseen)[:, 1]


LEARNERS: dict[str, Callable[[pd.DataFrame, np.ndarray, pd.DataFrame], np.ndarray]] = {
    "base rate": base_rate,
    "ridge": ridge,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
}


def judge(
    known: pd.DataFrame, won: np.ndarray, unseen: pd.DataFrame, truth: np.ndarray
) -> dict[str, float]:
    """The log loss of each learner, and of our answer also what else is promised of it."""
    began = time.perf_counter()
    answer = ours(known, won, unseen)
    seconds = time.perf_counter() - began
    losses = {
        name: log_loss(truth, np.clip(learn(known, won, unseen), 1e-4, 1 - 1e-4))
        for name, learn in LEARNERS.items()
    }
    measured = evaluate(truth.astype(float), answer.probability, float(won.mean()))
    regret = 100 * (measured.log_loss / min(losses.values()) - 1)
    told = {
        "predicted to won": measured.predicted_to_observed,
        "slope": measured.slope,
        "held": share_held(truth, answer),
    }
    return {"winnable": measured.log_loss, **losses, "regret %": regret, **told, "seconds": seconds}


def plot(table: pd.DataFrame) -> Figure:
    """For each set the log loss over the number of leads, in hundredths of the base rate's."""
    sets = table.index.unique(level=0)
    figure = Figure(figsize=(3.0 * len(sets), 2.8), layout="constrained")
    styles = {
        "winnable": ("#1f4e79", "-o"),
        "CatBoost": ("#9a9a9a", "-"),
        "ridge": ("#9a9a9a", "--"),
        "LightGBM": ("#9a9a9a", ":"),
    }
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        cells = table.loc[name]
        for learner, (color, style) in styles.items():
            axes.plot(
                cells.index,
                100 * cells[learner] / cells["base rate"],
                style,
                color=color,
                label=learner,
                markersize=4,
            )
        axes.axhline(100, color="#c8c8c8", linewidth=0.8)
        axes.set(
            xscale="log",
            xlabel="Leads to learn from",
            title=name,
            xticks=SIZES,
            xticklabels=[f"{n:,}" for n in SIZES],
        )
        axes.set_ylim(top=min(125, axes.get_ylim()[1]))
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("Log loss, base rate = 100")
    figure.axes[-1].legend(frameon=False, fontsize=8)
    return figure


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_no_usual_learner_is_better_by_much(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = {}
    for name, read in {
        "X Education": x_education,
        "Bank": bank,
        "Maven (no signal)": maven,
    }.items():
        rows = read(shared_data).sample(frac=1, random_state=11)
        unseen, truth = rows[-2500:].drop(columns=TARGET), rows[-2500:][TARGET].to_numpy()
        for size in SIZES:
            cells[name, size] = judge(
                rows[:size].drop(columns=TARGET), rows[:size][TARGET].to_numpy(), unseen, truth
            )
    table = pd.DataFrame(cells).T.rename_axis(["set", "leads"])
    table.drop(columns="seconds").round(4).to_csv(HERE / "quality.csv")
    plot(table).savefig(HERE / "quality.png", dpi=80)
    regret = table["regret %"]
    with capsys.disabled():
        print("\n", table.round(3).to_string())
        print(
            f"regret: mean {regret.mean():+.2f} %, worst {regret.max():+.2f} %, none in"
            f" {100 * (regret <= 0).mean():.0f} %"
        )
    assert regret.mean() <= 1.0
    assert regret.max() <= 5.0
    assert (table["winnable"] < 1.02 * table["base rate"]).all()
