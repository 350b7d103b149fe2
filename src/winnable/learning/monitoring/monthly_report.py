"""The monthly page: a reassessment in words, short for the terminal and as a page that can be
forwarded.

What stands in it was found by `reassessment` and `drift`; nothing is computed here but how to say
it.
"""

import numpy as np

from winnable.core.documents import Block, Bullets, Heading, Page, Table, Text
from winnable.learning.monitoring.drift import Drift, Expected
from winnable.learning.monitoring.reassessment import (
    DefinitionSeen,
    Judgement,
    Reassessment,
    UpdateDecision,
)

TO_DO: dict[UpdateDecision, str] = {
    "keep": "Keep the model",
    "move": "Train again: the level of the scores is off, their order is not",
    "recalibrate": "Train again: the scores are too extreme or too timid, their order is right",
    "retrain": "Train again: what the columns tell has changed",
    "wait": "Nothing can be said of the model yet",
}
UPDATE_NAMES: dict[UpdateDecision, str] = {
    "keep": "as it is",
    "move": "level moved",
    "recalibrate": "level and spread mended",
    "retrain": "learned anew",
}
BLIND = (
    "This estimate trusts the model: it sees that other leads are coming, and cannot see that the"
    " same leads are won more or less often than they used to be. That shows when their horizon has"
    " passed."
)


def summary(found: Reassessment) -> tuple[str, ...]:
    """The answer in a few sentences, the decision first."""
    says = [f"{TO_DO[found.decision]}: {found.because}.", _who(found)]
    if found.judgement is not None:
        says += [_promised(found.judgement), _cost(found.judgement)]
    warnings = found.drift.warnings
    says.append(_changed(found.drift))
    says += [f"  {each}" for each in warnings[:5]]
    if found.ahead is not None:
        says.append(_ahead(found.ahead, found.decision))
    if found.judgement is not None:
        says.append(_scorecard(found.judgement.definition))
        says += [f"  {each}" for each in _contradicted(found.judgement.definition)]
    return tuple(says)


def page(found: Reassessment) -> Page:
    """Everything, with the tables behind it."""
    blocks: list[Block] = [Text(f"{TO_DO[found.decision]}: {found.because}."), Text(_who(found))]
    if found.judgement is not None:
        blocks += _judged(found.judgement)
    blocks += [Heading("What is different about the leads of late"), Text(_changed(found.drift))]
    if found.drift.warnings:
        blocks.append(Bullets(found.drift.warnings))
    if found.drift.columns:
        blocks += [_columns(found.drift), Text(_how_columns(found.drift))]
    if found.ahead is not None:
        blocks += [
            Heading("What to expect of the leads that are still open"),
            Text(_ahead(found.ahead, found.decision)),
            Text(BLIND),
        ]
    if found.judgement is not None:
        blocks += _definition(found.judgement.definition)
    return Page(f"Is the model still right? {found.name}, {found.present:%Y-%m-%d}", tuple(blocks))


def _who(found: Reassessment) -> str:
    judged = (
        f"{found.leads:,} leads that came since {found.since:%Y-%m-%d}, {found.wins:,} of them won"
        " within the horizon"
    )
    return f"Judged: {found.model}, on {judged}; the model has met none of them."


def _promised(judged: Judgement) -> str:
    model = judged.measured
    expected = model.wins / (model.observed_to_expected or np.nan)
    auc = (
        ""
        if model.auc is None
        else f"; it puts a won lead above another in {100 * model.auc:.0f} of 100 pairs"
    )
    return f"It promised {expected:.1f} wins and {model.wins:,} came{auc}."


def _cost(judged: Judgement) -> str:
    cost, update = judged.cost, "keep" if judged.choice.decision == "keep" else "do"
    against = "learning anew" if update == "keep" else "the update"
    loss = (
        f"{cost.mean:+.4f} log loss a lead (95 % sure: {cost.low:+.4f} to {cost.high:+.4f}) against"
        f" {against}"
    )
    wins = judged.could_find - judged.found
    missed = f"{wins:.1f} wins are missed" if wins > 0.05 else "no win is missed"
    everyone = judged.places >= judged.measured.leads
    worked = (
        "sales can work all of these leads, so"
        if everyone
        else f"among the {judged.places:,} of these leads that sales can work,"
    )
    return f"Doing nothing costs {loss}; {worked} {missed}."


def _changed(drift: Drift) -> str:
    compared = f"{drift.new:,} new leads were compared with {drift.old:,} earlier ones"
    if not drift.columns and drift.score is None:
        return f"{compared}: too few to see more than chance."
    return (
        f"{compared}:"
        f" {'this is different' if drift.warnings else 'nothing is different beyond chance'}."
    )


def _ahead(ahead: Expected, decision: UpdateDecision) -> str:
    wins = (
        f"{ahead.wins:.0f} of the {ahead.leads:,} leads whose horizon is still open"
        f" ({ahead.low:.0f} to {ahead.high:.0f})"
    )
    doubt = (
        "if the same leads are won as before"
        if decision in ("keep", "wait")
        else "which is as wrong as the model is"
    )
    return (
        f"The model expects to see {wins} won, and an AUC of {ahead.auc:.2f} among them, {doubt}."
    )


def _scorecard(seen: DefinitionSeen) -> str:
    model, choice = seen.measured, seen.choice
    expected = model.wins / (model.observed_to_expected or np.nan)
    told = f"The scorecard expected {expected:.1f} wins of these leads and {model.wins:,} came"
    verdict: dict[UpdateDecision, str] = {
        "keep": "its expectation still holds",
        "move": (
            "its conversion at the threshold should be written"
            f" {'higher' if expected < model.wins else 'lower'}"
        ),
        "recalibrate": (
            f"its points are worth {choice.slope:.1f} times what is written, so the points to"
            " double the odds are off"
        ),
    }
    return f"{told}: {verdict.get(choice.decision, '')}."


def _contradicted(seen: DefinitionSeen) -> tuple[str, ...]:
    return tuple(
        f"{rule.says} has {rule.points:+g} points, but {100 * rule.won_with:.0f} of 100 such leads"
        f" were won and {100 * rule.won_without:.0f} of the others."
        for rule in seen.contradicted
    )


def _judged(judged: Judgement) -> list[Block]:
    rows = [
        (
            UPDATE_NAMES[each],
            f"{loss:.4f}",
            f"{judged.choice.p[each]:.3f}" if each in judged.choice.p else "",
        )
        for each, loss in judged.losses.items()
    ]
    columns = ("the model", "log loss on leads left out", "chance, if that were enough")
    how = (
        "The tests go down the table and stop at the first line that learning anew does not beat:"
        " where that chance is at least 0.05, the line is enough (closed testing procedure,"
        " Vergouwe et al. 2017). Each person counts once."
    )
    return [
        Text(_promised(judged)),
        Heading("Keep, recalibrate or retrain"),
        Table(columns, tuple(rows), columns[1:]),
        Text(how),
        Heading("The cost of doing nothing"),
        Text(_cost(judged)),
    ]


def _columns(drift: Drift) -> Table:
    columns = ("column", "moved by", "chance reaches", "what moved most")
    shifts = sorted(drift.columns, key=lambda each: -each.index / each.threshold)[:12]
    rows = [(each.name, f"{each.index:.3f}", f"{each.threshold:.3f}", each.says) for each in shifts]
    return Table(columns, tuple(rows), columns[1:3])


def _how_columns(drift: Drift) -> str:
    told = (
        ""
        if drift.separability is None
        else (
            " All columns together tell new leads from old ones with an AUC of"
            f" {drift.separability.auc:.3f}"
        )
    )
    told += (
        ""
        if drift.separability is None
        else (
            f"; where nothing has changed it lies between {drift.separability.low:.3f} and"
            f" {drift.separability.high:.3f}."
        )
    )
    return (
        "The measure is the population stability index; what chance reaches depends on how many"
        " leads and bins there are, and on how many columns were looked at"
        f" ({len(drift.columns)}).{told}"
    )


def _definition(seen: DefinitionSeen) -> list[Block]:
    blocks: list[Block] = [Heading("Is the definition still right?"), Text(_scorecard(seen))]
    contradicted = _contradicted(seen)
    if contradicted:
        blocks.append(Bullets(contradicted))
    else:
        blocks.append(
            Text(
                "No rule is contradicted by what happened. What past wins would propose is told by"
                " `winnable suggest`."
            )
        )
    return blocks
