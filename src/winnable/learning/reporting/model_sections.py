"""The report on a model: is it any good, do its promises come true, how much work does it save, can
its data be trusted?

Numbers come from the modules that measure them, plots from `plots` and `report_page`; here they are
put into words. What the report says of leads is in `report_leads`.
"""

from collections.abc import Sequence

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
    SHOWN,
    ReportPlot,
    ReportTable,
    Section,
    of_100,
    percent,
    through_time_plot,
)
from winnable.learning.training.backtest import Backtest
from winnable.learning.training.curves import gains, lift_table, reliability_table
from winnable.learning.training.metrics import bootstrap, difference
from winnable.learning.training.train import Candidate, Evaluation

THROUGH_TIME = "Did it hold through time?"

# --- is it any good?
# ---------------------------------------------------------------------------------------------------------


def answer(candidate: Candidate) -> Section:
    """Whether the model is better than what there was without it, and by how much."""
    judged = candidate.judged
    if judged is None:
        return Section(
            "Is it any good?",
            (
                "Nobody can say yet: no lead has an outcome that could judge it.",
                _by_rules(candidate),
            ),
        )
    measured = judged.measured()
    rules = "scorecard" if np.ptp(judged.rules) > 1e-9 else "usual rate"
    spread = bootstrap(judged.rows.won, judged.candidate, judged.base, judged.rows.person).get(
        "skill"
    )
    saved = (
        f"Its probabilities save {percent(measured['model'].skill)} of the log loss of the usual"
        " rate"
    )
    says = [
        _verdict(judged, rules),
        f"{saved}"
        + (
            "."
            if spread is None
            else f" (95 % sure: {percent(spread[0])} to {percent(spread[1])})."
        ),
    ]
    if rules == "scorecard":
        says[1] = (
            says[1][:-1] + f"; the {rules} by itself saves {percent(measured['rules'].skill)}."
        )
    worked = {name: _worked(judged.rows.won, each) for name, each in _answers(judged).items()}
    rows = []
    for name, each in measured.items():
        ten, twenty = worked.get(name, (0.1, 0.2))
        auc = "" if each.auc is None else f"{each.auc:.2f}"
        rows.append(
            (_called(name, rules), of_100(ten), of_100(twenty), f"{percent(each.skill)}", auc)
        )
    columns = ("", "of 100 wins in the best tenth", "in the best fifth", "log loss saved", "AUC")
    note = f"Judged on {len(np.unique(judged.rows.leads)):,} {judged.how}"
    times = (
        f", looked at {len(judged.rows.won):,} times in their lives; the judged model had seen none"
        " of them"
    )
    note += f"{times if judged.rows.timed else ''}."
    return Section(
        "Is it any good?",
        (*says, *_rules_only(candidate)),
        tables=(ReportTable(columns, tuple(rows), columns[1:]),),
        notes=(note,),
    )


def _verdict(judged: Evaluation, rules: str) -> str:
    """The answer in a sentence, with the numbers that a head of sales asks for."""
    won, person = judged.rows.won, judged.rows.person
    best, other = (_worked(won, answer)[1] for answer in (judged.candidate, judged.rules))
    met = f"Whoever calls the fifth of leads that it puts first meets {of_100(best)} of 100 wins"
    against = (
        f"the {rules}'s best fifth holds {of_100(other)}, a random fifth 20"
        if rules == "scorecard"
        else "a random fifth holds 20"
    )
    rival = judged.rules if rules == "scorecard" else np.full(len(won), judged.base)
    better = difference(won, judged.candidate, rival, person)
    if better.low > 0:
        return f"Yes, the model is better than the {rules}. {met}; {against}."
    if better.high < 0:
        return f"No, the {rules} was better on these leads. {met}; {against}."
    return f"Not surely: on these leads, model and {rules} cannot be told apart. {met}; {against}."


def _answers(judged: Evaluation) -> dict[str, FloatArray]:
    return {"model": judged.candidate, "rules": judged.rules}


def _called(name: str, rules: str) -> str:
    return (
        {"model": "this model", "rules": rules, "base rate": "usual rate for all"}[name]
        if rules == "scorecard"
        else name
    )


def _worked(won: FloatArray, answer: FloatArray) -> tuple[float, float]:
    """The shares of all wins among the best tenth and the best fifth of leads."""
    table = lift_table(won, answer)
    return float(np.interp(0.1, table["worked"], table["gain"])), float(
        np.interp(0.2, table["worked"], table["gain"])
    )


def _by_rules(candidate: Candidate) -> str:
    return f"The definition's rules answer: {candidate.why}."


def _rules_only(candidate: Candidate) -> tuple[str, ...]:
    return (_by_rules(candidate),) if candidate.mode == "rules" else ()


def promises(candidate: Candidate) -> Section | None:
    """Whether a probability means what it says."""
    judged = candidate.judged
    if judged is None:
        return None
    measured, table = (
        judged.measured()["model"],
        reliability_table(judged.rows.won, judged.candidate),
    )
    says = []
    if measured.observed_to_expected is not None:
        low, high = measured.observed_to_expected_low, measured.observed_to_expected_high
        sure = (
            ""
            if low is None or high is None
            else f" (95 % sure: {100 * low:.0f} to {100 * high:.0f})"
        )
        says.append(
            f"For every 100 wins that it promised, {100 * measured.observed_to_expected:.0f}"
            f" came{sure}."
        )
    top = table.iloc[-1]
    promised, came = 100 * top["predicted"], 100 * top["observed"]
    inside = int(
        ((table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])).sum()
    )
    see = (
        f"Each point is a tenth of the leads, its bar where the truth lies 8 times in 10: {inside}"
        f" of {len(table)} bars meet the line on which promises come true. Of the best tenth,"
        f" {promised:.0f} of 100 were promised and {came:.0f} came."
    )
    return Section(
        "Do its promises come true?",
        tuple(says),
        (ReportPlot.of(reliability_plot(judged.rows.won, judged.candidate), see),),
    )


def work_saved(candidate: Candidate) -> Section | None:
    """How much work it saves: lift and gain."""
    judged = candidate.judged
    if judged is None or not judged.rows.won.sum():
        return None
    won = judged.rows.won
    table, half, by_rules = (
        lift_table(won, judged.candidate),
        _needed(won, judged.candidate),
        _needed(won, judged.rules),
    )
    faster = (
        "climbs faster than the rules'" if half < by_rules else "climbs no faster than the rules'"
    )
    see = (
        f"The model's curve {faster}: it meets 80 of 100 wins after {of_100(half)} of 100 leads,"
        f" they after {of_100(by_rules)}."
    )
    rows = tuple(
        (
            f"{100 * row['worked']:.0f} %",
            f"{row['leads']:,.0f}",
            f"{100 * row['rate']:.1f}",
            f"{row['lift']:.1f}",
            f"{100 * row['gain']:.0f} %",
        )
        for row in table.to_dict("records")
        if round(10 * row["worked"]) in (1, 2, 3, 5, 10)
    )
    columns = ("worked, best first", "leads", "won, of 100", "times the usual", "of all wins")
    lift = (
        f"The best tenth of leads is won {table['lift'].iloc[0]:.1f} times as often as the usual"
        " lead."
    )
    plot = ReportPlot.of(gain_plot(won, judged.candidate, judged.rules), see)
    return Section(
        "How much work does it save?", (lift,), (plot,), (ReportTable(columns, rows, columns[1:]),)
    )


def _needed(won: FloatArray, answer: FloatArray, wanted: float = 0.8) -> float:
    """The share of leads to be worked, best first, until that share of the wins is met."""
    found = gains(won, answer) / won.sum()
    return float(np.argmax(found >= wanted)) / len(won)


def tested_through_time(tested: Backtest) -> Section:
    """What models learned at several moments of the past were worth for the leads that came next."""
    over_all = {name: each.skill for name, each in tested.measured().items()}
    against = tested.compared("rules")
    better = (
        "surely better than"
        if against.low > 0
        else "surely worse than"
        if against.high < 0
        else "not surely different from"
    )
    trained = f"Trained anew for each of {len(tested.periods)} periods with what was known before"
    says = (
        f"{trained}, the model saved {percent(over_all['model'])} of the usual rate's log loss on"
        " the leads that came"
    )
    measured = [period.measured() for period in tested.periods]
    worth = sum(each["model"].skill > 0 for each in measured)
    see = (
        f"Above: in {worth} of {len(measured)} periods the model was over the line, worth more than"
        " the usual rate. Below: on the line as many were won as promised, above it too much was"
        " promised. Bars hold the truth 95 times in 100."
    )
    rows = tuple(
        (
            period.name,
            f"{period.judged:,}",
            f"{period.won:,}",
            percent(each["model"].skill, signed=True),
            percent(each["rules"].skill, signed=True),
        )
        for period, each in zip(tested.periods, measured, strict=True)
    )
    columns = ("leads that came", "judged", "won", "model saved", "rules saved")
    compared = f"{says}; the rules saved {percent(over_all['rules'])}: the model is {better} them."
    table = ReportTable(columns, rows, columns[1:])
    return Section(
        THROUGH_TIME,
        (compared,),
        (ReportPlot.of(backtest_plot(tested), see),),
        (table,),
        tested.notes,
    )


def through_time(candidate: Candidate) -> Section | None:
    """Whether it held month after month, on leads that the judged model had not seen."""
    judged = candidate.judged
    if judged is None or not judged.rows.timed:
        return None
    months = judged.rows.as_of.astype("datetime64[us]").astype("datetime64[M]")
    periods = np.unique(months)[-SHOWN:]
    counted = [(months == month) for month in periods]
    size, wins = (
        np.array([float(part(rows)) for rows in counted])
        for part in (np.sum, lambda rows: judged.rows.won[rows].sum())
    )
    promised = np.array([judged.candidate[rows].mean() for rows in counted])
    ends = np.array([wilson(int(w), int(n)) for w, n in zip(wins, size, strict=True)])
    held = int(((ends[:, 0] <= promised) & (promised <= ends[:, 1])).sum())
    see = (
        "The dash is what was promised, the point what came true, its bar where the truth lies 9"
        f" times in 10: in {held} of {len(periods)} months they agree."
    )
    names = [f"{month.astype(object):%b %y}" for month in periods]
    plot = ReportPlot.of(
        through_time_plot(names, promised, wins / size, ends[:, 0], ends[:, 1]), see
    )
    return Section(
        THROUGH_TIME, ("Month by month, on leads that the judged model had not seen.",), (plot,)
    )


# --- can it be trusted?
# ------------------------------------------------------------------------------------------------------


def history_enough(readiness: Readiness, curve: Sequence[CurvePoint]) -> Section:
    """Whether the history is enough, and whether more of it would help."""
    see = (
        f"The upright line is where you stand: {readiness.wins:,} wins of the"
        f" {readiness.needed_wins:,} that all columns need."
    )
    if len(curve) > 1:
        gained = curve[-1].saved - curve[-2].saved
        more = (
            "so more wins would still help"
            if gained > 0.005
            else "so more of the same would help little"
        )
        see += (
            " Below: the last doubling of the leads moved what is saved by"
            f" {percent(gained, signed=True)}, {more}."
        )
    return Section(
        "Is the history enough?",
        readiness.told,
        (ReportPlot.of(readiness_plot(readiness, curve), see),),
    )


def leaks(candidate: Candidate) -> Section:
    """Which columns were kept out, because they may know the outcome."""
    kept_out = [column for column in candidate.verdicts if column.verdict != "ok"]
    vouched = [column for column in candidate.verdicts if column.overruled]
    title, today = (
        "Does a column know the outcome?",
        candidate.artifact.spec["card"]["as_they_stand"],
    )
    since = (
        "No change of a column is recorded, so these count as they stand in the export:"
        f" {', '.join(today)}."
        if today
        else ""
    )
    if not kept_out and not vouched:
        says = f"None of the {len(candidate.verdicts)} columns is under suspicion."
        return Section(title, tuple(filter(None, (says, since))))
    rows = tuple(
        (
            column.name,
            (
                "used, the definition vouches for it"
                if column.overruled
                else f"kept out, {column.verdict}"
            ),
            " ".join(column.evidence),
        )
        for column in [*kept_out, *vouched]
    )
    of_all = f"{len(kept_out)} of {len(candidate.verdicts)} columns"
    says = (
        f"{of_all} may have been written because a lead was won or lost, or nobody can say when; no"
        " model learned from them."
    )
    return Section(
        title,
        tuple(filter(None, (says, since))),
        tables=(ReportTable(("column", "verdict", "evidence"), rows),),
    )
