"""LeadClassifier: a scikit-learn classifier that takes frames with text and missing values as they
are."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils.estimator_checks import check_estimator

from winnable import LeadClassifier

NOT_APPLICABLE = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row given twice may be on both sides of a fold, one of weight 2 not"
    ),
}


def leads(size: int, seed: int) -> tuple[pd.DataFrame, NDArray[np.str_]]:
    """Leads whose title and size tell something; a fifth of the values is missing."""
    chance = np.random.default_rng(seed)
    title = chance.choice(["Director", "Student", "Engineer"], size)
    employees = np.round(np.exp(chance.normal(4, 1, size)))
    logit = (
        -1.5
        + 1.5 * (title == "Director")
        - 2 * (title == "Student")
        + 0.5 * (np.log(employees) - 4)
    )
    frame = pd.DataFrame(
        {
            "Title": pd.Series(title, dtype="str").mask(chance.random(size) < 0.2),
            "Employees": pd.Series(employees).mask(chance.random(size) < 0.2),
            "Asked": (
                pd.Timestamp("2026-01-01")
                + pd.to_timedelta(chance.integers(0, 300, size), unit="D")
            ),
            "Agreed": chance.random(size) < 0.5,
        }
    )
    return frame, np.where(chance.random(size) < 1 / (1 + np.exp(-logit)), "won", "not won")


@pytest.mark.filterwarnings("ignore")
def test_it_keeps_scikit_learns_conventions() -> None:
    check_estimator(LeadClassifier(), expected_failed_checks=NOT_APPLICABLE, on_skip=None)


def test_it_learns_from_text_and_missing_values_as_well_as_a_pipeline_made_for_them() -> None:
    frame, won = leads(800, 1)
    later, outcome = leads(800, 2)
    model = LeadClassifier().fit(frame, won)
    words = OneHotEncoder(handle_unknown="ignore")
    usual = make_pipeline(
        FunctionTransformer(lambda table: table[["Title"]].fillna("?")), words, LogisticRegression()
    ).fit(frame, won)
    assert model.classes_.tolist() == ["not won", "won"]
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert loss(model.predict_proba(later), outcome) < loss(usual.predict_proba(later), outcome)
    assert (
        model.predict(later) == np.where(model.predict_proba(later)[:, 1] > 0.5, "won", "not won")
    ).all()


def loss(probability: NDArray[np.float64], outcome: NDArray[np.str_]) -> float:
    """Mean log loss of probabilities of (not won, won)."""
    return float(-np.log(np.where(outcome == "won", probability[:, 1], probability[:, 0])).mean())


def test_it_works_in_pipelines_searches_and_cross_validation() -> None:
    frame, won = leads(150, 3)
    pipeline = make_pipeline(
        FunctionTransformer(lambda table: table.drop(columns="Agreed")), LeadClassifier()
    )
    losses = cross_val_score(pipeline, frame, won, scoring="neg_log_loss", cv=2)
    assert np.isfinite(losses).all()
    search = GridSearchCV(
        LeadClassifier(), {"random_state": [0, 1]}, scoring="neg_log_loss", cv=2
    ).fit(frame, won)
    assert search.best_estimator_.n_features_in_ == 4


def test_numbers_written_as_text_are_read_alike_when_learning_and_when_asked() -> None:
    frame, won = leads(150, 4)
    model = LeadClassifier().fit(frame.assign(Employees=frame["Employees"].astype("str")), won)
    asked = frame.head(50)
    as_text = model.predict_proba(asked.assign(Employees=asked["Employees"].astype("str")))
    assert as_text == pytest.approx(model.predict_proba(asked.astype({"Employees": object})))
    assert as_text == pytest.approx(model.predict_proba(asked))


def test_what_it_cannot_tell_apart_is_an_error() -> None:
    frame, won = leads(30, 5)
    with pytest.raises(ValueError, match="1 class only"):
        LeadClassifier().fit(frame, np.full(30, "won"))
    with pytest.raises(ValueError, match="3 classes"):
        LeadClassifier().fit(frame, np.where(np.arange(30) < 9, "junk", won))
    with pytest.raises(ValueError, match="infinity"):
        LeadClassifier().fit(frame.assign(Employees=np.inf), won)
