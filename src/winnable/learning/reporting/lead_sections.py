"""The report on leads: drivers of conversion, conversion by source and by segment with confidence
intervals, drift of recent leads, and example scores of a few open leads.

It describes, and proves no causal effect. Nobody is named: of leads only the id is shown, and not
even that where it is an e-mail address. What the report says of the model itself is in
`model_sections`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from winnable.core.columns import CREATED
from winnable.core.statistics import wilson
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.analysis.funnel import funnel
from winnable.data.dataset import Dataset
from winnable.data.features.plan import AGE
from winnable.definition.decide.scorecard import choose_cards
from winnable.definition.schema import Definition
from winnable.learning.monitoring.drift import drift
from winnable.learning.reporting.drivers import drivers
from winnable.learning.reporting.sections import (
    MAX_ROWS_SHOWN,
    ReportPlot,
    ReportTable,
    Section,
    conversion_plot,
    importance_plot,
    percent,
    percent_range,
    whole_percent,
)
from winnable.learning.scoring.batch import ScoringJob, moments_of_scoring, score_table
from winnable.learning.scoring.explanations import Reason
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import Candidate

DRIVERS = "What drives conversion?"
SOURCES = "Conversion by source"
SEGMENTS = "Conversion by segment"
RECENT = "Drift: are recent leads different?"
EXAMPLES = "Example scores of open leads"

RECENT_DAYS = 90
"""Age up to which a lead counts as recent."""

DRIVER_SAMPLE_ROWS = 2_000
"""Rows on which drivers are measured; more would show the same."""

EXAMPLE_POOL_LEADS = 5_000
"""Open leads, the newest, among which examples are looked for."""

TOP_EXAMPLES = 3
TOP_DRIVERS = 3


# --- drivers


def conversion_drivers(candidate: Candidate, data: Dataset) -> Section | None:
    """What moves the scores, how much and which way (global feature importance)."""
    evaluation = candidate.evaluation
    if evaluation is None or candidate.mode == "rules":
        return None
    predictor = Predictor(candidate.artifact)
    order = np.random.default_rng(0).permutation(len(evaluation.rows.won))
    rows = evaluation.rows.take(np.sort(order[:DRIVER_SAMPLE_ROWS]))
    features = data.features(predictor.plan, rows.leads, rows.as_of)
    found = drivers(predictor, features)
    if not found:
        return None
    shown = found[:MAX_ROWS_SHOWN]
    top = found[:TOP_DRIVERS]
    share = sum(driver.weight for driver in top) / sum(driver.weight for driver in found)
    text = (
        f"Strongest drivers: {_and([driver.name for driver in top])}: together"
        f" {whole_percent(share)} of what moves the scores, of {len(found)} features."
    )
    caption = (
        f"The longer the bar, the more it moves scores: {shown[0].name} multiplies or divides the"
        f" odds of a typical lead by {shown[0].odds:.2f}."
    )
    names = [driver.name for driver in shown]
    odds = np.array([driver.odds for driver in shown])
    columns = ("feature", "odds ratio", "direction")
    table = ReportTable(
        columns,
        tuple((driver.name, f"{driver.odds:.2f}", driver.direction) for driver in shown),
        columns[1:2],
    )
    note = (
        "This describes the model and proves no causal effect: what won deals have in common need"
        " not be what won them."
    )
    plot = ReportPlot.of(importance_plot(names, odds), caption)
    return Section(DRIVERS, (text,), (plot,), (table,), (note,))


# --- where leads come from


def source_conversion(data: Dataset) -> Section | None:
    """Conversion by source, shrunken towards the average, with 90% intervals."""
    report = funnel(data)
    known = [group for group in report.groups if group.leads > group.young]
    if len(known) < 2:
        return None
    average = sum(group.won for group in known) / sum(group.leads - group.young for group in known)
    best = known[0]
    worst = known[-1]
    shown = known
    notes = list(report.notes)
    if len(known) > MAX_ROWS_SHOWN:
        shown = [*known[: MAX_ROWS_SHOWN - 1], worst]
        notes.append(f"{len(known) - MAX_ROWS_SHOWN} more sources are in `winnable funnel`.")
    finding = "No source converts significantly better than another so far."
    if best.low > worst.high:
        finding = (
            f"{best.name} converts best ({percent_range(best.low, best.high)}), {worst.name} worst"
            f" ({percent_range(worst.low, worst.high)})."
        )
    figure = conversion_plot(
        [group.name for group in shown],
        np.array([group.conversion for group in shown]),
        np.array([group.low for group in shown]),
        np.array([group.high for group in shown]),
        average,
    )
    columns = ("source", "leads", "won", "shrunken conversion", "90% CI", "grade")
    rows = tuple(
        (
            group.name,
            f"{group.leads:,}",
            f"{group.won:,}",
            percent(group.conversion),
            percent_range(group.low, group.high),
            group.grade,
        )
        for group in shown
    )
    return Section(
        SOURCES,
        tuple(f"{group.name}: {group.advice}." for group in known if group.advice),
        (ReportPlot.of(figure, f"{finding} {_bars_in_words(average)}"),),
        (ReportTable(columns, rows, columns[1:5]),),
        tuple(note for note in notes if note),
    )


def _bars_in_words(average: float) -> str:
    return f"Bars are 90% confidence intervals, the line is the average ({percent(average)})."


def segment_conversion(data: Dataset) -> Section | None:
    """Conversion by the definition's segments, on arrival and within the horizon; None where there
    are not several segments."""
    definition = data.definition
    rows = data.training_rows
    cards = definition.scorecard
    rows = rows.take(rows.known & (rows.age == 0))
    if len(cards) < 2 or not len(rows.won):
        return None
    features = data.features(data.feature_plan(), rows.leads, rows.as_of)
    card = choose_cards(definition, features)
    masks = [(name, card == place) for place, name in enumerate(_card_names(definition))]
    masks.append(("no segment", card < 0))
    counts = [
        (name, int(mask.sum()), int(rows.won[mask].sum())) for name, mask in masks if mask.any()
    ]
    names = [name for name, _, _ in counts]
    intervals = np.array([wilson(wins, size) for _, size, wins in counts])
    low = intervals[:, 0]
    high = intervals[:, 1]
    share = np.array([wins / size for _, size, wins in counts])
    average = float(rows.won.mean())
    findings = []
    for different, how in ((low > average, "above"), (high < average, "below")):
        if different.any():
            which = _and([names[i] for i in np.flatnonzero(different)])
            findings.append(f"Conversion significantly {how} average: {which}.")
    if not findings:
        findings.append("No segment converts significantly better than another so far.")
    caption = " ".join([*findings, _bars_in_words(average)])
    columns = ("segment", "leads", "won", "conversion", "90% CI")
    table = tuple(
        (name, f"{size:,}", f"{wins:,}", percent(wins / size), percent_range(*interval))
        for (name, size, wins), interval in zip(counts, intervals, strict=True)
    )
    plot = ReportPlot.of(conversion_plot(names, share, low, high, average), caption)
    return Section(SEGMENTS, (), (plot,), (ReportTable(columns, table, columns[1:]),))


def _card_names(definition: Definition) -> list[str]:
    return [
        card.name or f"scorecard {place}"
        for place, card in enumerate(definition.scorecard, start=1)
    ]


# --- drift


def recent_drift(candidate: Candidate, data: Dataset) -> Section | None:
    """Drift: what is different about the leads of the last three months, as they came in, compared
    with those before; None without dates."""
    present = data.present
    leads = data.crm.leads
    if present is None or CREATED not in leads:
        return None
    predictor = Predictor(candidate.artifact)
    now = microseconds(present)
    created = times_of(leads[CREATED])
    person = data.persons
    dated = np.flatnonzero(created != NEVER)
    order = dated[np.argsort(created[dated], kind="stable")]
    first = order[np.sort(np.unique(person[order], return_index=True)[1])]
    features = data.features(predictor.plan, first, created[first])
    recent = created[first] > now - RECENT_DAYS * DAY
    earlier_features = features.take(np.flatnonzero(~recent))
    recent_features = features.take(np.flatnonzero(recent))
    learned = [name for name in predictor.plan.learned if name != AGE]
    found = drift(
        earlier_features.select(learned),
        recent_features.select(learned),
        (predictor.probability(earlier_features), predictor.probability(recent_features)),
    )
    if found.score is None:
        return None
    text = (
        f"{found.new:,} leads of the last {RECENT_DAYS} days, as they came in, compared with"
        f" {found.old:,} before them."
    )
    warnings = found.warnings[:MAX_ROWS_SHOWN] or ("No significant drift.",)
    return Section(RECENT, (text, *warnings))


# --- examples


def example_scores(candidate: Candidate, data: Dataset) -> Section | None:
    """Today's scores of a few open leads: the best, and the best of each other decision."""
    still_open = np.flatnonzero(np.isnan(data.outcomes))
    if not len(still_open):
        return None
    if CREATED in data.crm.leads:
        created = times_of(data.crm.leads[CREATED])[still_open]
        still_open = still_open[np.argsort(created, kind="stable")]
    predictor = Predictor(candidate.artifact)
    newest = data.only(still_open[-EXAMPLE_POOL_LEADS:])
    moment = moments_of_scoring(data, None)[0]
    as_of = np.full(len(newest.crm.leads), moment)
    scores = score_table(ScoringJob(predictor, newest, as_of, reasons=False))
    scores = _best_first(scores[scores["error"].isna()])
    best = list(scores.index[:TOP_EXAMPLES])
    others = [rows.index[0] for _, rows in scores.drop(index=best).groupby("decision", sort=False)]
    chosen = _best_first(scores.loc[[*best, *others]])
    positions = [newest.crm.leads.index.get_loc(row) for row in chosen.index]
    leads = np.array(positions, dtype=np.int64)
    features = newest.features(predictor.plan, leads, np.full(len(leads), moment))
    reasons = predictor.score(features, chosen["lead_id"].tolist()).reasons
    rows = tuple(
        (
            _unnamed(lead["lead_id"], int(place)),
            whole_percent(lead["probability"]),
            percent_range(lead["low"], lead["high"]),
            lead["grade"],
            lead["decision"],
            lead["because"],
            *_for_and_against(of_lead),
        )
        for place, lead, of_lead in zip(
            chosen.index, chosen.to_dict("records"), reasons, strict=True
        )
    )
    columns = (
        "lead",
        "probability",
        "interval",
        "grade",
        "decision",
        "because",
        "raises the score",
        "lowers the score",
    )
    text = (
        "The three open leads with the highest scores today, and the best of each other decision."
        f" {_what_effects_are(candidate)}"
    )
    table = ReportTable(columns, rows, columns[1:2])
    return Section(EXAMPLES, (text,), tables=(table,))


def _what_effects_are(candidate: Candidate) -> str:
    """What the numbers behind reasons mean."""
    typical = candidate.artifact.spec.typical
    if typical is None:
        return "Each reason has its points."
    return f"Each reason has its effect in points of probability, against a typical {typical.who}."


def _best_first(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.sort_values("probability", ascending=False, kind="stable")


def _for_and_against(reasons: Sequence[Reason]) -> tuple[str, str]:
    """What raises a score and what lowers it."""
    raising = "; ".join(reason.text for reason in reasons if reason.effect > 0)
    lowering = "; ".join(reason.text for reason in reasons if reason.effect <= 0)
    return raising, lowering


def _unnamed(lead_id: str, row: int) -> str:
    """The id, or the row's number where the id is an e-mail address."""
    return f"row {row}" if "@" in lead_id else lead_id


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
