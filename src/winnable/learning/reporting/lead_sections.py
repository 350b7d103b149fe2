"""The report on leads: what drives conversion, which sources and segments convert, and what the
model says of a few open leads.

It describes, and proves no cause. Nobody is named: of leads only the id is shown, and not even that
where it is an address. What the report says of the model itself is in `report_quality`.
"""

from collections.abc import Sequence

import numpy as np

from winnable.core.columns import CREATED
from winnable.core.statistics import wilson
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.analysis.funnel import Group, funnel
from winnable.data.dataset import Dataset
from winnable.data.features.plan import AGE
from winnable.definition.decide.scorecard import choose_cards
from winnable.definition.schema import Definition
from winnable.learning.monitoring.drift import drift
from winnable.learning.reporting.drivers import drivers
from winnable.learning.reporting.sections import (
    SHOWN,
    ReportPlot,
    ReportTable,
    Section,
    shares_plot,
    weights_plot,
)
from winnable.learning.scoring.batch import ScoringJob, moments_of_scoring, score_table
from winnable.learning.scoring.explanations import Reason
from winnable.learning.scoring.predictor import Predictor
from winnable.learning.training.train import Candidate

BARS = "A bar reaches where the true share lies 9 times in 10"
LATE_DAYS = 90
SAMPLE = 2_000
"""Rows that show what drives scores as well as all of them would."""
OPEN_LEADS = 5_000
"""Open leads, the newest, among which examples are looked for."""


# --- what drives conversion?
# -------------------------------------------------------------------------------------------------


def what_drives(candidate: Candidate, data: Dataset) -> Section | None:
    """What moves the scores, how much and which way."""
    judged = candidate.judged
    if judged is None or candidate.mode == "rules":
        return None
    predictor = Predictor(candidate.artifact)
    chosen = np.sort(np.random.default_rng(0).permutation(len(judged.rows.won))[:SAMPLE])
    rows = judged.rows.take(chosen)
    found = drivers(predictor, data.features(predictor.plan, rows.leads, rows.as_of))
    if not found:
        return None
    total, shown = sum(driver.weight for driver in found), found[:SHOWN]
    strongest = 100 * sum(driver.weight for driver in found[:3]) / total
    says = (
        (
            f"Most is told by {_and([driver.name for driver in found[:3]])}: together"
            f" {strongest:.0f} % of what moves the scores of {len(found)} things that are known."
        ),
    )
    most = (
        f"{shown[0].name} multiplies or divides the odds of a typical lead by {shown[0].odds:.2f}"
    )
    see = f"The longer the bar, the more it moves scores: {most}."
    plot = ReportPlot.of(
        weights_plot(
            [driver.name for driver in shown], np.array([driver.odds for driver in shown])
        ),
        see,
    )
    rows_shown = tuple((driver.name, f"{driver.odds:.2f}", driver.direction) for driver in shown)
    table = ReportTable(
        ("what is known", "odds, times or divided by", "which way"),
        rows_shown,
        ("odds, times or divided by",),
    )
    note = (
        "This describes the model and proves no cause: what won deals have in common need not be"
        " what won them."
    )
    return Section("What drives conversion?", says, (plot,), (table,), (note,))


# --- where leads come from
# ---------------------------------------------------------------------------------------------------


def sources(data: Dataset) -> Section | None:
    """Conversion by source, with intervals."""
    told = funnel(data)
    known = [group for group in told.groups if group.leads > group.young]
    if len(known) < 2:
        return None
    size = sum(group.leads - group.young for group in known)
    usual = sum(group.won for group in known) / size
    best, worst = known[0], known[-1]
    see = (
        f"{best.name} converts best ({_between(best)} of 100), {worst.name} worst"
        f" ({_between(worst)})."
    )
    if best.low <= worst.high:
        see = "So far no source surely converts better than another."
    see += f" {BARS}, the line is the usual lead ({100 * usual:.1f} of 100)."
    shown = known if len(known) <= SHOWN else [*known[: SHOWN - 1], worst]
    share, low, high = (
        np.array([getattr(group, end) for group in shown]) for end in ("conversion", "low", "high")
    )
    plot = ReportPlot.of(shares_plot([group.name for group in shown], share, low, high, usual), see)
    columns = ("source", "leads", "won", "of 100", "90 % sure", "grade")
    rows = tuple(
        (
            group.name,
            f"{group.leads:,}",
            f"{group.won:,}",
            f"{100 * group.conversion:.1f}",
            _between(group),
            group.grade,
        )
        for group in shown
    )
    more = f"{len(known) - SHOWN} more sources in `winnable funnel`." if len(known) > SHOWN else ""
    notes = tuple(note for note in (*told.notes, more) if note)
    advice = tuple(f"{group.name}: {group.advice}." for group in known if group.advice)
    return Section(
        "Which sources convert?",
        advice,
        (plot,),
        (ReportTable(columns, rows, columns[1:4]),),
        notes,
    )


def _between(group: Group) -> str:
    return f"{100 * group.low:.0f} to {100 * group.high:.0f}"


def segments(data: Dataset) -> Section | None:
    """Conversion by the definition's segments, on arrival and within the horizon; None where it
    makes no difference of leads."""
    definition, rows = data.definition, data.training_rows
    cards = definition.scorecard
    rows = rows.take(rows.known & (rows.age == 0))
    if len(cards) < 2 or not len(rows.won):
        return None
    card = choose_cards(
        definition,
        data.features(data.feature_plan(), rows.leads, rows.as_of),
    )
    parts = [(name, card == place) for place, name in enumerate(_card_names(definition))] + [
        ("no segment", card < 0)
    ]
    told = [
        (name, int(held.sum()), int(rows.won[held].sum())) for name, held in parts if held.any()
    ]
    ends = np.array([wilson(wins, size) for _, size, wins in told])
    share = np.array([wins / size for _, size, wins in told])
    usual = float(rows.won.mean())
    better, worse = (
        [told[i][0] for i in np.flatnonzero(sure)]
        for sure in (ends[:, 0] > usual, ends[:, 1] < usual)
    )
    sure = [
        f"Surely won {how} often than the usual lead: {_and(which)}."
        for which, how in ((better, "more"), (worse, "less"))
        if which
    ]
    see = " ".join(sure or ["So far no segment surely converts better than another."])
    see += f" {BARS}, the line is the usual lead ({100 * usual:.1f} of 100)."
    plot = ReportPlot.of(
        shares_plot([name for name, _, _ in told], share, ends[:, 0], ends[:, 1], usual), see
    )
    columns = ("segment", "leads", "won", "of 100", "90 % sure")
    table = tuple(
        (
            name,
            f"{size:,}",
            f"{wins:,}",
            f"{100 * wins / size:.1f}",
            f"{100 * low:.0f} to {100 * high:.0f}",
        )
        for (name, size, wins), (low, high) in zip(told, ends, strict=True)
    )
    return Section(
        "Which segments convert?", (), (plot,), (ReportTable(columns, table, columns[1:4]),)
    )


def _card_names(definition: Definition) -> list[str]:
    return [
        card.name or f"scorecard {place}"
        for place, card in enumerate(definition.scorecard, start=1)
    ]


# --- are leads of late different?
# --------------------------------------------------------------------------------------------


def of_late(candidate: Candidate, data: Dataset) -> Section | None:
    """What is different about the leads of the last three months, as they came in, beside those
    before; None without dates."""
    present, leads = data.present, data.crm.leads
    if present is None or CREATED not in leads:
        return None
    predictor, now = Predictor(candidate.artifact), microseconds(present)
    created, person = times_of(leads[CREATED]), data.persons
    there = np.flatnonzero(created != NEVER)
    order = there[np.argsort(created[there], kind="stable")]
    first = order[np.sort(np.unique(person[order], return_index=True)[1])]
    features = data.features(predictor.plan, first, created[first])
    recent = created[first] > now - LATE_DAYS * DAY
    parts = [np.flatnonzero(rows) for rows in (~recent, recent)]
    before, late = (
        features.take(rows).select([name for name in predictor.plan.learned if name != AGE])
        for rows in parts
    )
    scores = [predictor.probability(features.take(rows)) for rows in parts]
    found = drift(before, late, (scores[0], scores[1]))
    if found.score is None:
        return None
    says = (
        f"{found.new:,} leads of the last {LATE_DAYS} days, as they came in, beside {found.old:,}"
        " before them."
    )
    calm = "Nothing about them is more different than chance explains."
    title = "Are the leads of late different?"
    return Section(title, (says, *(found.warnings[:SHOWN] or (calm,))))


# --- what does it say?
# -------------------------------------------------------------------------------------------------------


def examples(candidate: Candidate, data: Dataset) -> Section | None:
    """A few open leads as the model sees them today, the best and the best of each other decision."""
    still_open = np.flatnonzero(np.isnan(data.outcomes))
    if not len(still_open):
        return None
    if CREATED in data.crm.leads:
        still_open = still_open[
            np.argsort(times_of(data.crm.leads[CREATED])[still_open], kind="stable")
        ]
    predictor = Predictor(candidate.artifact)
    newest = data.only(still_open[-OPEN_LEADS:])
    moment = moments_of_scoring(data, None)[0]
    scores = score_table(
        ScoringJob(predictor, newest, np.full(len(newest.crm.leads), moment), reasons=False)
    )
    scores = scores[scores["error"].isna()].sort_values(
        "probability", ascending=False, kind="stable"
    )
    best = list(scores.index[:3])
    others = [rows.index[0] for _, rows in scores.drop(index=best).groupby("decision", sort=False)]
    chosen = scores.loc[[*best, *others]].sort_values("probability", ascending=False, kind="stable")
    positions = [newest.crm.leads.index.get_loc(row) for row in chosen.index]
    leads = np.array(positions, dtype=np.int64)
    features = newest.features(predictor.plan, leads, np.full(len(leads), moment))
    reasons = predictor.score(features, chosen["lead_id"].tolist()).reasons
    rows = tuple(
        (
            _unnamed(lead["lead_id"], int(place)),
            f"{100 * lead['probability']:.0f}",
            f"{100 * lead['low']:.0f} to {100 * lead['high']:.0f}",
            lead["grade"],
            lead["decision"],
            lead["because"],
            *_for_and_against(told),
        )
        for place, lead, told in zip(chosen.index, chosen.to_dict("records"), reasons, strict=True)
    )
    columns = ("lead", "of 100", "between", "grade", "decision", "because", "for it", "against it")
    says = "The three best of the open leads, as they stand, and the best of each other decision."
    return Section(
        "What does it say of leads?", (says,), tables=(ReportTable(columns, rows, columns[1:2]),)
    )


def _for_and_against(reasons: Sequence[Reason]) -> tuple[str, str]:
    """What raises a score and what lowers it; of points only those that were given or taken tell
    which."""
    said: tuple[list[str], list[str]] = ([], [])
    for reason in reasons:
        up = (
            " -" not in reason.says.rpartition(":")[2]
            if reason.log_odds is None
            else reason.log_odds > 0
        )
        said[0 if up else 1].append(reason.says.removesuffix(": raises").removesuffix(": lowers"))
    return "; ".join(said[0]), "; ".join(said[1])


def _unnamed(lead_id: str, row: int) -> str:
    """The id, or the row's number where the id is an e-mail address."""
    return f"row {row}" if "@" in lead_id else lead_id


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
