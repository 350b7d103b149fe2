"""The report on the model: skill against the baseline (base rate and scorecard), calibration, lift
and gain, stability over time, sample size and learning curve, and excluded columns (target
leakage).

Numbers come from the modules that measure them, plots from `plots` and `sections`; here they are
put into words. What the report says of leads is in `lead_sections`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from winnable.core.columns import FloatArray
from winnable.core.statistics import wilson
from winnable.learning.readiness.learning_curve import CurvePoint
from winnable.learning.readiness.readiness import Readiness
from winnable.learning.reporting.plots import (
    backtest_plot,
    gain_plot,
    readiness_plot,
    reliability_plot,
)
from winnable.learning.reporting.sections import (
    MAX_ROWS_SHOWN,
    ReportPlot,
    ReportTable,
    Section,
    observed_over_time_plot,
    percent,
    whole_percent,
)
from winnable.learning.training.backtest import Backtest
from winnable.learning.training.curves import (
    gains,
    interval_coverage,
    lift_table,
    reliability_table,
)
from winnable.learning.training.metrics import (
    Difference,
    Metrics,
    difference,
    tells_enough,
)
from winnable.learning.training.train import Candidate, Evaluation

PERFORMANCE = "How good is the model?"
CALIBRATION = "Calibration: do the probabilities hold?"
LIFT_AND_GAIN = "Lift and gain: how much work does it save?"
ACCOUNTS = "Accounts: do colleagues matter?"
OVER_TIME = "Stability over time"
DATA_SIZE = "Is there enough data?"
LEAKAGE = "Target leakage: which columns were excluded?"

MODEL_NAMES = {"model": "Model", "rules": "Scorecard", "base rate": "Base rate"}

TARGET_GAIN = 0.8
"""Share of the wins for which the work is compared."""

MIN_USEFUL_SKILL_GAIN = 0.005
"""Skill that the last doubling of the leads must have added for more leads to be recommended."""

LIFT_ROWS = (1, 2, 3, 5, 10)
"""Tenths of the leads that the lift table shows."""


# --- accounts


def accounts(candidate: Candidate) -> Section | None:
    """What the others of an account say, and how well accounts were predicted; None where leads
    name no account."""
    known = candidate.artifact.spec.card.accounts
    if known is None:
        return None
    paragraphs = [] if known["effect"] is None else [_account_effect(known["effect"])]
    if candidate.evaluation is not None:
        paragraphs.append(
            "The metrics above are of a model that knew no lead of the holdout's people, but other"
            " leads of their accounts, as it will when it scores new leads of accounts that you"
            " know."
        )
    calibration = known["calibration"]
    if calibration is None:
        return Section(ACCOUNTS, tuple(paragraphs))
    rows = tuple(
        (
            band["open_leads"],
            f"{band['accounts']:,}",
            percent(band["predicted"]),
            percent(band["observed"]),
        )
        for band in calibration["bands"]
    )
    columns = ("Open leads", "Accounts", "Predicted", "With a win")
    note = (
        "The probability that at least one open lead of an account is won (`winnable score --by"
        " account`), at several moments of the holdout. Independence of the leads of one account:"
        f" {calibration['independence']:g} (1: independent, 0: only the best lead counts)."
    )
    table = ReportTable(columns, rows, columns[1:])
    return Section(ACCOUNTS, tuple(paragraphs), tables=(table,), notes=(note,))


def _account_effect(effect: Mapping[str, Any]) -> str:
    gain = f"{effect['gain']:.4f} (standard error {effect['error']:.4f})"
    if effect["kept"]:
        return (
            "What others of the account did is used: it lowers the log loss of accounts that it"
            f" was not learned from by {gain} per lead, and later leads do not speak against it."
        )
    return (
        "What others of the account did is not used: in cross-validation that holds accounts"
        f" together it changes the log loss by {-effect['gain']:+.4f} (standard error"
        f" {effect['error']:.4f}) per lead, or later leads speak against it."
    )


# --- performance


def performance(candidate: Candidate) -> Section:
    """Whether the model is better than the baseline, the scorecard or the base rate, and by how
    much."""
    evaluation = candidate.evaluation
    if evaluation is None:
        return Section(
            PERFORMANCE,
            (
                "Not known yet: there is no lead with a known outcome to evaluate it on.",
                _model_type(candidate),
            ),
        )
    measured = evaluation.measured()
    baseline = _stronger_baseline(evaluation, measured)
    less = _against(evaluation, baseline)
    paragraphs = [
        _verdict(evaluation, baseline, less),
        _skill(evaluation, measured, baseline, less),
    ]
    if candidate.mode == "rules":
        paragraphs.append(_model_type(candidate))
    columns = (
        "",
        "wins in the top 10%",
        "wins in the top 20%",
        "skill",
        "AUC",
        "log loss",
        "Brier score",
    )
    probabilities = {"model": evaluation.candidate, "rules": evaluation.rules}
    rows = []
    for name, metrics in measured.items():
        top_10 = 0.1
        top_20 = 0.2
        if name in probabilities:
            top_10, top_20 = _top_gains(evaluation.rows.won, probabilities[name])
        rows.append(
            (
                MODEL_NAMES[name],
                whole_percent(top_10),
                whole_percent(top_20),
                percent(metrics.skill),
                "" if metrics.auc is None else f"{metrics.auc:.2f}",
                f"{metrics.log_loss:.4f}",
                f"{metrics.brier:.4f}",
            )
        )
    return Section(
        PERFORMANCE,
        tuple(paragraphs),
        tables=(ReportTable(columns, tuple(rows), columns[1:]),),
        notes=(_evaluated_on(evaluation),),
    )


def _stronger_baseline(evaluation: Evaluation, measured: dict[str, Metrics]) -> str:
    """The baseline that a model has to beat: the scorecard where it tells leads apart and is better
    than the base rate."""
    is_better = measured["rules"].log_loss <= measured["base rate"].log_loss
    return "scorecard" if _scorecard_varies(evaluation) and is_better else "base rate"


def _scorecard_varies(evaluation: Evaluation) -> bool:
    """Whether the scorecard tells leads apart; one that does not is no more than a base rate."""
    return bool(np.ptp(evaluation.rules) > 1e-9)


def _verdict(evaluation: Evaluation, baseline: str, less: Difference) -> str:
    """The answer in a sentence, with the numbers that a head of sales asks for."""
    won = evaluation.rows.won
    _, top_20 = _top_gains(won, evaluation.candidate)
    gain = f"The top 20% of leads contain {whole_percent(top_20)} of the wins"
    if baseline == "scorecard":
        _, scorecard_top_20 = _top_gains(won, evaluation.rules)
        gain += (
            f"; the scorecard's top 20% contain {whole_percent(scorecard_top_20)}, a random 20%"
            " would contain 20%."
        )
    else:
        gain += "; a random 20% would contain 20%."
    if less.low > 0 and tells_enough(won):
        return f"Yes, the model is significantly better than the {baseline}. {gain}"
    if less.high < 0:
        return f"No, the {baseline} was significantly better on these leads. {gain}"
    return f"Not proven: model and {baseline} do not differ significantly on these leads. {gain}"


def _against(evaluation: Evaluation, baseline: str) -> Difference:
    """By how much the model's log loss is lower than the baseline's."""
    won = evaluation.rows.won
    other = evaluation.rules if baseline == "scorecard" else np.full(len(won), evaluation.base)
    return difference(won, evaluation.candidate, other, evaluation.rows.person)


def _skill(
    evaluation: Evaluation, measured: dict[str, Metrics], baseline: str, less: Difference
) -> str:
    interval = evaluation.intervals.get("skill")
    text = f"Skill (log-loss reduction against the base rate): {percent(measured['model'].skill)}"
    if interval is not None:
        text += f" (95% CI {percent(interval[0])} to {percent(interval[1])})"
    if baseline == "scorecard":
        text += f"; the scorecard alone: {percent(measured['rules'].skill)}"
    ends = ", ".join(_signed(-end) for end in (less.high, less.low))
    return (
        f"{text}. Log-loss difference to the {baseline}: {_signed(-less.mean)} (95% CI [{ends}])."
    )


def _signed(number: float) -> str:
    return f"{number:+.4f}".replace("-", "−")


def _evaluated_on(evaluation: Evaluation) -> str:
    text = f"Evaluated on {evaluation.how}: {evaluation.size}"
    return f"{text}; out of sample." if evaluation.rows.timed else f"{text}."


def _top_gains(won: FloatArray, probability: FloatArray) -> tuple[float, float]:
    """The shares of all wins among the top 10% and the top 20% of leads."""
    table = lift_table(won, probability)
    top_10, top_20 = np.interp([0.1, 0.2], table["worked"], table["gain"])
    return float(top_10), float(top_20)


def _model_type(candidate: Candidate) -> str:
    return f"Model type: {candidate.mode} ({candidate.why})."


# --- calibration


def calibration(candidate: Candidate) -> Section | None:
    """Whether the predicted probabilities agree with the observed shares."""
    evaluation = candidate.evaluation
    if evaluation is None:
        return None
    table = reliability_table(evaluation.rows.won, evaluation.candidate)
    top = table.iloc[-1]
    covered = (table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])
    caption = (
        "Each point is a group of leads with similar scores, its bar the 80% confidence interval of"
        f" the observed share: {int(covered.sum())} of {len(table)} bars meet the diagonal. In the"
        f" highest group {whole_percent(top['predicted'])} were predicted to be won and"
        f" {whole_percent(top['observed'])} were."
    )
    plot = ReportPlot.of(reliability_plot(evaluation.rows.won, evaluation.candidate), caption)
    paragraphs = _observed_to_expected(evaluation.measured()["model"])
    return Section(CALIBRATION, (*paragraphs, *_coverage(evaluation)), (plot,))


def _coverage(evaluation: Evaluation) -> tuple[str, ...]:
    """How often the intervals held the observed share, with what chance makes of so few groups."""
    won = evaluation.rows.won
    if evaluation.interval is None or not tells_enough(won):
        return ()
    inside, groups, highest = interval_coverage(won, evaluation.candidate, evaluation.interval)
    low, high = wilson(inside, groups, 0.95)
    return (
        f"Coverage of the 80% intervals: in {inside} of {groups} groups of leads with similar"
        f" scores the observed share lies inside (95% CI {whole_percent(low)} to"
        f" {whole_percent(high)}), in the highest group it does{'' if highest else ' not'}. The"
        " observed shares have chance of their own: fewer than 8 in 10 need not be too few.",
    )


def _observed_to_expected(metrics: Metrics) -> tuple[str, ...]:
    if metrics.observed_to_expected is None:
        return ()
    text = f"Observed/expected wins: {metrics.observed_to_expected:.2f}"
    low = metrics.observed_to_expected_low
    high = metrics.observed_to_expected_high
    if low is not None and high is not None:
        text += f" (95% CI {low:.2f}–{high:.2f})"
    if metrics.slope is not None:
        text += f"; calibration slope {metrics.slope:.2f}"
    return (f"{text}.",)


# --- lift and gain


def lift_and_gain(candidate: Candidate) -> Section | None:
    """How much work the model saves."""
    evaluation = candidate.evaluation
    if evaluation is None or not evaluation.rows.won.sum():
        return None
    won = evaluation.rows.won
    table = lift_table(won, evaluation.candidate)
    needed = _work_needed(won, evaluation.candidate)
    needed_by_scorecard = _work_needed(won, evaluation.rules)
    comparison = "rises faster than" if needed < needed_by_scorecard else "rises no faster than"
    caption = (
        f"The model's curve {comparison} the scorecard's: {whole_percent(TARGET_GAIN)} of the wins"
        f" are in its top {whole_percent(needed)} of leads, and in the scorecard's top"
        f" {whole_percent(needed_by_scorecard)}."
    )
    rows = tuple(
        (
            whole_percent(row["worked"]),
            f"{row['leads']:,.0f}",
            percent(row["rate"]),
            f"{row['lift']:.1f}",
            whole_percent(row["gain"]),
        )
        for row in table.to_dict("records")
        if round(10 * row["worked"]) in LIFT_ROWS
    )
    columns = ("leads contacted", "leads", "conversion", "lift", "gain (share of wins)")
    return Section(
        LIFT_AND_GAIN,
        (f"Lift of the top 10%: {table['lift'].iloc[0]:.1f} times the average conversion.",),
        (ReportPlot.of(gain_plot(won, evaluation.candidate, evaluation.rules), caption),),
        (ReportTable(columns, rows, columns[1:]),),
    )


def _work_needed(won: FloatArray, probability: FloatArray) -> float:
    """The share of leads to be contacted, highest score first, until `TARGET_GAIN` of the wins are
    found."""
    found = gains(won, probability) / won.sum()
    return float(np.argmax(found >= TARGET_GAIN)) / len(won)


# --- over time


def backtest_over_time(tested: Backtest) -> Section:
    """How models trained at several moments of the past did on the leads that came next."""
    overall = {name: metrics.skill for name, metrics in tested.measured().items()}
    measured = [period.measured() for period in tested.periods]
    useful = sum(period["model"].skill > 0 for period in measured)
    text = (
        f"Backtest: retrained for each of {len(tested.periods)} periods on what was known before"
        f" it, the model had a skill of {percent(overall['model'])} on the leads that came next;"
        f" the scorecard {percent(overall['rules'])}. The model is"
        f" {_compared_in_words(tested.compared('rules'))} the scorecard."
    )
    caption = (
        f"Above: skill; in {useful} of {len(measured)} periods the model was better than the base"
        " rate. Below: predicted/observed wins; above the line too many wins were predicted. Bars"
        " are 95% confidence intervals."
    )
    columns = ("leads created", "evaluated", "won", "skill, model", "skill, scorecard")
    rows = tuple(
        (
            period.name,
            f"{period.evaluated:,}",
            f"{period.won:,}",
            percent(metrics["model"].skill, signed=True),
            percent(metrics["rules"].skill, signed=True),
        )
        for period, metrics in zip(tested.periods, measured, strict=True)
    )
    return Section(
        OVER_TIME,
        (text,),
        (ReportPlot.of(backtest_plot(tested), caption),),
        (ReportTable(columns, rows, columns[1:]),),
        tested.notes,
    )


def _compared_in_words(less: Difference) -> str:
    if less.low > 0:
        return "significantly better than"
    if less.high < 0:
        return "significantly worse than"
    return "not significantly different from"


def holdout_over_time(candidate: Candidate) -> Section | None:
    """Predicted and observed conversion month after month, on the holdout."""
    evaluation = candidate.evaluation
    if evaluation is None or not evaluation.rows.timed:
        return None
    months = evaluation.rows.as_of.astype("datetime64[us]").astype("datetime64[M]")
    periods = np.unique(months)[-MAX_ROWS_SHOWN:]
    masks = [months == month for month in periods]
    size = np.array([float(mask.sum()) for mask in masks])
    wins = np.array([float(evaluation.rows.won[mask].sum()) for mask in masks])
    predicted = np.array([evaluation.candidate[mask].mean() for mask in masks])
    intervals = np.array([wilson(int(w), int(n)) for w, n in zip(wins, size, strict=True)])
    low = intervals[:, 0]
    high = intervals[:, 1]
    agreeing = int(((low <= predicted) & (predicted <= high)).sum())
    caption = (
        "The dash is the mean predicted probability, the point the observed share with its 90%"
        f" confidence interval: they agree in {agreeing} of {len(periods)} months."
    )
    names = [f"{month.astype(object):%b %y}" for month in periods]
    figure = observed_over_time_plot(names, predicted, wins / size, low, high)
    text = "Predicted and observed conversion by month, on the holdout."
    return Section(OVER_TIME, (text,), (ReportPlot.of(figure, caption),))


# --- data


def data_size(readiness: Readiness, curve: Sequence[CurvePoint]) -> Section:
    """Whether there are enough wins by the published minimum sample size, and whether more of them
    would help (learning curve)."""
    caption = (
        f"The vertical line is where you stand: {readiness.wins:,} wins of the"
        f" {readiness.needed_wins:,} needed for all columns."
    )
    if len(curve) > 1:
        gained = curve[-1].skill - curve[-2].skill
        gain_points = f"{100 * gained:+.1f}".replace("-", "−")
        advice = "more of the same would help little"
        if gained > MIN_USEFUL_SKILL_GAIN:
            advice = "more wins would still help"
        caption += (
            " Below, the learning curve: the last doubling of the leads changed skill by"
            f" {gain_points} percentage points, so {advice}."
        )
    plot = ReportPlot.of(readiness_plot(readiness, curve), caption)
    return Section(DATA_SIZE, readiness.messages, (plot,))


def leakage(candidate: Candidate) -> Section:
    """Which columns were excluded for possible target leakage."""
    verdicts = candidate.verdicts
    excluded = [column for column in verdicts if column.verdict != "ok"]
    overruled = [column for column in verdicts if column.overruled]
    static = candidate.artifact.spec.card.as_they_stand
    notes = []
    if static:
        notes.append(
            "There is no field history for these columns, so today's values were used at every"
            f" point in time: {', '.join(static)}."
        )
    if not excluded and not overruled:
        text = f"All {len(verdicts)} columns passed the leakage checks."
        return Section(LEAKAGE, (text, *notes))
    rows = [
        (column.name, f"excluded ({column.verdict})", " ".join(column.evidence))
        for column in excluded
    ]
    rows += [
        (column.name, "used (declared safe in the definition)", " ".join(column.evidence))
        for column in overruled
    ]
    text = (
        f"{len(verdicts) - len(excluded)} of {len(verdicts)} columns passed the leakage checks."
        f" Excluded (possible target leakage): {len(excluded)}, which may have been filled in"
        " because a lead was won or lost, or at a time that nobody knows."
    )
    table = ReportTable(("column", "verdict", "evidence"), tuple(rows))
    return Section(LEAKAGE, (text, *notes), tables=(table,))
