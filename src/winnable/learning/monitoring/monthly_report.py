"""The monthly monitoring report: a reassessment in words, short for the terminal and as a page that
can be forwarded.

What stands in it was measured by `reassessment` and `drift`; here it is only put into words.
"""

import numpy as np

from winnable.core.documents import Block, Bullets, Heading, Page, Table, Text
from winnable.learning.monitoring.drift import Drift, Expected
from winnable.learning.monitoring.reassessment import (
    DefinitionSeen,
    PerformanceCheck,
    Reassessment,
    UpdateDecision,
)
from winnable.learning.readiness.data_quality import DATA_ALARMS
from winnable.learning.training.metrics import Metrics

TO_DO: dict[UpdateDecision, str] = {
    "keep": "Keep the model",
    "move": "Retrain: the level of the scores is off (calibration intercept), their order is right",
    "recalibrate": (
        "Retrain: the scores are too extreme or too timid (calibration slope), their order is right"
    ),
    "retrain": "Retrain: the effects of the columns have changed (concept drift)",
    "wait": "The model cannot be evaluated yet",
}
UPDATE_NAMES: dict[UpdateDecision, str] = {
    "keep": "as it is",
    "move": "intercept recalibrated",
    "recalibrate": "intercept and slope recalibrated",
    "retrain": "retrained",
}
BLIND = (
    "This estimate trusts the model: it accounts for different leads (covariate shift), and cannot"
    " see that the same leads are won more or less often than before (concept drift). That shows"
    " once their horizon has passed."
)
MAX_WARNINGS_IN_SUMMARY = 5
MAX_COLUMNS_SHOWN = 12

MIN_MISSED_WINS = 0.05
"""Fewer missed wins count as none."""


def summary(found: Reassessment) -> tuple[str, ...]:
    """The result in a few sentences, the decision first."""
    lines = [_decision(found), _evaluated_on(found)]
    if found.performance is not None:
        lines += [_performance(found.performance), _cost(found.performance)]
    lines.append(_drift(found.drift))
    lines += [f"  {warning}" for warning in found.drift.warnings[:MAX_WARNINGS_IN_SUMMARY]]
    if found.ahead is not None:
        lines.append(_ahead(found.ahead, found.decision))
    if found.performance is not None:
        lines.append(_scorecard(found.performance.definition))
        lines += [f"  {rule}" for rule in _contradicted(found.performance.definition)]
    return tuple(lines)


def page(found: Reassessment) -> Page:
    """Everything, with the tables behind it."""
    blocks: list[Block] = []
    if found.alarms:
        blocks += [Text(f"{DATA_ALARMS}, because these make any model wrong:")]
        blocks += [Bullets(found.alarms)]
    blocks += [Text(_decision(found)), Text(_evaluated_on(found))]
    if found.performance is not None:
        blocks += _evaluation_blocks(found.performance)
    blocks += [Heading("Drift: what is different about recent leads"), Text(_drift(found.drift))]
    if found.drift.warnings:
        blocks.append(Bullets(found.drift.warnings))
    if found.drift.columns:
        blocks += [_psi_table(found.drift), Text(_psi_note(found.drift))]
    if found.ahead is not None:
        blocks += [
            Heading("Expected performance on leads that are still open"),
            Text(_ahead(found.ahead, found.decision)),
            Text(BLIND),
        ]
    if found.performance is not None:
        blocks += _definition_blocks(found.performance.definition)
    return Page(f"Is the model still right? {found.name}, {found.present:%Y-%m-%d}", tuple(blocks))


def _decision(found: Reassessment) -> str:
    return f"{TO_DO[found.decision]}: {found.because}."


def _evaluated_on(found: Reassessment) -> str:
    return (
        f"Evaluated: {found.model}, out of sample on {found.leads:,} leads created since"
        f" {found.since:%Y-%m-%d}, {found.wins:,} of them won within the horizon."
    )


def _performance(check: PerformanceCheck) -> str:
    metrics = check.measured
    text = f"Expected {_expected_wins(metrics):.1f} wins, observed {metrics.wins:,}"
    if metrics.observed_to_expected is not None:
        text += f" (observed/expected {metrics.observed_to_expected:.2f}"
        low = metrics.observed_to_expected_low
        high = metrics.observed_to_expected_high
        if low is not None and high is not None:
            text += f", 95% CI {low:.2f}–{high:.2f}"
        text += ")"
    return f"{text}." if metrics.auc is None else f"{text}; AUC {metrics.auc:.2f}."


def _expected_wins(metrics: Metrics) -> float:
    return metrics.wins / (metrics.observed_to_expected or np.nan)


def _cost(check: PerformanceCheck) -> str:
    cost = check.cost
    update = "retraining" if check.choice.decision == "keep" else "the update"
    missed = "no wins are missed"
    if check.could_find - check.found > MIN_MISSED_WINS:
        missed = f"{check.could_find - check.found:.1f} wins are missed"
    worked = f"among the {check.places:,} of these leads that sales can work, {missed}"
    if check.places >= check.measured.leads:
        worked = f"sales can work all of these leads, so {missed}"
    return (
        f"Cost of not retraining: {cost.mean:+.4f} log loss per lead compared with {update} (95% CI"
        f" [{cost.low:+.4f}, {cost.high:+.4f}]); {worked}."
    )


def _drift(drift: Drift) -> str:
    compared = f"{drift.new:,} new leads were compared with {drift.old:,} earlier ones"
    if not drift.columns and drift.score is None:
        return f"{compared}: too few to test for drift."
    if drift.warnings:
        return f"{compared}; significant drift:"
    return f"{compared}: no significant drift."


def _ahead(ahead: Expected, decision: UpdateDecision) -> str:
    condition = "which is as wrong as the model is"
    if decision in ("keep", "wait"):
        condition = "if the same leads are won as before"
    return (
        f"Of the {ahead.leads:,} leads whose horizon is still open (censored), the model expects"
        f" {ahead.wins:.0f} wins (95% interval {ahead.low:.0f}–{ahead.high:.0f}) and an AUC of"
        f" {ahead.auc:.2f}, {condition}."
    )


def _scorecard(seen: DefinitionSeen) -> str:
    metrics = seen.measured
    choice = seen.choice
    expected = _expected_wins(metrics)
    direction = "higher" if expected < metrics.wins else "lower"
    verdict: dict[UpdateDecision, str] = {
        "keep": "its calibration still holds",
        "move": f"its conversion at the threshold should be set {direction}",
        "recalibrate": (
            f"its points are worth {choice.slope:.1f} times what they stand for (calibration"
            " slope), so its points to double the odds are off"
        ),
    }
    return (
        f"Scorecard: expected {expected:.1f} wins of these leads, observed {metrics.wins:,}:"
        f" {verdict.get(choice.decision, '')}."
    )


def _contradicted(seen: DefinitionSeen) -> tuple[str, ...]:
    return tuple(
        f"{rule.rule} has {rule.points:+g} points, but {100 * rule.won_with:.0f}% of such leads"
        f" were won and {100 * rule.won_without:.0f}% of the others."
        for rule in seen.contradicted
    )


def _evaluation_blocks(check: PerformanceCheck) -> list[Block]:
    rows = [
        (
            UPDATE_NAMES[update],
            f"{loss:.4f}",
            f"{check.choice.p[update]:.3f}" if update in check.choice.p else "",
        )
        for update, loss in check.losses.items()
    ]
    columns = ("model", "out-of-fold log loss", "p-value against retraining")
    how = (
        "The tests go down the table and stop at the first model that retraining does not beat"
        " significantly, with a p-value of at least 0.05 (closed testing procedure, Vergouwe et al."
        " 2017). Each person counts once."
    )
    return [
        Text(_performance(check)),
        Heading("Keep, recalibrate or retrain?"),
        Table(columns, tuple(rows), columns[1:]),
        Text(how),
        Heading("Cost of not retraining"),
        Text(_cost(check)),
    ]


def _psi_table(drift: Drift) -> Table:
    columns = ("column", "PSI", "critical value", "largest change")
    shifts = sorted(drift.columns, key=lambda shift: -shift.index / shift.threshold)
    rows = [
        (shift.name, f"{shift.index:.3f}", f"{shift.threshold:.3f}", shift.summary)
        for shift in shifts[:MAX_COLUMNS_SHOWN]
    ]
    return Table(columns, tuple(rows), columns[1:3])


def _psi_note(drift: Drift) -> str:
    text = (
        "PSI is the population stability index; a value above the critical value is significant at"
        " the 5% level for this number of leads and bins, corrected for testing"
        f" {len(drift.columns)} columns."
    )
    if drift.separability is None:
        return text
    return (
        f"{text} A classifier tells new leads from earlier ones by all columns together with an AUC"
        f" of {drift.separability.auc:.3f}; without drift it would be between"
        f" {drift.separability.low:.3f} and {drift.separability.high:.3f} (classifier two-sample"
        " test)."
    )


def _definition_blocks(seen: DefinitionSeen) -> list[Block]:
    blocks: list[Block] = [Heading("Is the definition still right?"), Text(_scorecard(seen))]
    contradicted = _contradicted(seen)
    if contradicted:
        blocks.append(Bullets(contradicted))
    else:
        blocks.append(
            Text(
                "No rule is significantly contradicted by the outcomes. The command winnable"
                " suggest proposes points from past wins."
            )
        )
    return blocks
