"""The definition as a page that marketing, sales and an engineer can each read, and sign.

Everything on the page is taken from the definition itself, in its own words and its conditions'
plain English. The forms of the page (Markdown, HTML) are in `winnable.core.documents`; the
difference between two versions is found in `diff` and only shown here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from winnable.core.columns import STATUS
from winnable.core.documents import Block, Bullets, Heading, Page, Table, Text
from winnable.core.statistics import logit_of
from winnable.core.text import counted, with_article
from winnable.definition.conditions import in_words
from winnable.definition.decide.gate import passing_probability
from winnable.definition.decide.scorecard import group_of, probability_of
from winnable.definition.grid import ENGAGEMENT, FIT
from winnable.definition.outcome import ANYTHING
from winnable.definition.returns import NEVER
from winnable.definition.review.diff import HandOverChange, changes
from winnable.definition.review.lint import warnings
from winnable.definition.rules import Case, Rule, Scorecard
from winnable.definition.schema import Definition, Grade
from winnable.definition.stages import STAGES, label
from winnable.definition.wording import days_in_words, either, joined

POINTS_TABLE_STEPS = np.arange(-3, 4)
"""Rows of the table of points, in doublings of the odds from the threshold."""


def describe(definition: Definition, data_warnings: Sequence[str] = ()) -> Page:
    """The whole definition as a page; `data_warnings` are warnings that need the data to be
    found."""
    blocks = [
        *_opening(definition),
        *_stages(definition),
        *_customers(definition),
        *_activities(definition),
        *_points(definition),
        *_handover(definition),
        *_grades(definition),
        *_grid(definition),
        *_feedback(definition),
        *_returns(definition),
        *_retention(definition),
        *_columns(definition),
    ]
    to_check = (*warnings(definition), *data_warnings)
    if to_check:
        blocks += [Heading("Warnings"), Bullets(to_check)]
    return Page(definition.name, tuple(blocks))


def describe_changes(
    old: Definition, new: Definition, hand_overs: Sequence[HandOverChange] = ()
) -> Page:
    """What changed from one version to the other, and, if there are any, how many leads each would
    have handed over."""
    found = changes(old, new)
    blocks: list[Block] = [
        Text(f"From version {old.version} ({old.name}) to version {new.version} ({new.name}).")
    ]
    if found:
        rows = tuple((change.where, change.before or "–", change.after or "–") for change in found)
        blocks += [Heading("What changed"), Table(("Where", "Before", "Now"), rows)]
    else:
        blocks.append(Text("There is no difference."))
    if hand_overs:
        columns = ("Version", "Leads", "Handed over", "Of these won", "Conversion")
        blocks += [
            Heading("What each version would have handed over"),
            Text(
                "By the points of each version alone, without a trained model. The last two columns"
                " leave out leads whose outcome is not known yet."
            ),
            Table(
                columns, tuple(_counts(hand_over) for hand_over in hand_overs), numbers=columns[1:]
            ),
        ]
    return Page(f"{new.name}: what changed", tuple(blocks))


def schema() -> dict[str, Any]:
    """The JSON schema of the definition file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Definition.model_json_schema(),
    }


def of_100(probability: float) -> str:
    """A probability as a natural frequency: "12 in 100", "5 in 1,000"."""
    if probability >= 0.01:
        return f"{round(probability * 100, 1):g} in 100"
    if probability >= 0.001:
        return f"{probability * 1000:.2g} in 1,000"
    return "fewer than 1 in 1,000"


def _counts(hand_over: HandOverChange) -> tuple[str, ...]:
    known = hand_over.known
    return (
        hand_over.version,
        f"{hand_over.leads:,}",
        f"{hand_over.passed:,}",
        f"{hand_over.won:,} of {known:,}",
        of_100(hand_over.won / known) if known else "not known yet",
    )


def _opening(definition: Definition) -> Iterator[Block]:
    outcome = definition.outcome
    people = joined(definition.agreed_by, "and")
    agreed = f", agreed by {people}" if people else ""
    yield Text(
        f"Version {definition.version}{agreed}. It says which leads are worth working, how we know,"
        " and what happens next."
    )
    yield Heading("What we predict")
    if outcome.won == (ANYTHING,):
        won = (
            f"the CRM has a value in {definition.columns.status}. Without one, the lead is still"
            " open."
        )
    elif outcome.won_if:
        lost = in_words(outcome.lost_if)
        won = (
            f"in the CRM {in_words(outcome.won_if)}."
            f" {f'Lost means that {lost}.' if lost else 'Nothing means lost.'} Any other lead is"
            " still open."
        )
    else:
        lost = f"Lost means {either(outcome.lost)}." if outcome.lost else "No status means lost."
        won = (
            f"the status in the CRM is {either(outcome.won)}. {lost} With any other status the lead"
            " is still open."
        )
    expected = of_100(outcome.expected_conversion)
    yield Bullets(
        (
            f"Won means that {won}",
            f"Sales-ready: likely to be won within {outcome.horizon_days:g} days.",
            (
                f"Winnable: likely to be won within {outcome.winnable_days:g} days; perhaps too"
                " early for sales, but not to be lost sight of."
            ),
            f"Before there is any history, we expect to win {expected} leads.",
        )
    )


def _stages(definition: Definition) -> Iterator[Block]:
    yield Heading("The stages of a lead")
    outcome = definition.outcome
    outcome_statuses: dict[str, tuple[str, ...]] = {"won": outcome.won, "lost": outcome.lost}
    if outcome.won_if:
        lost = (in_words(outcome.lost_if),) if outcome.lost_if else ()
        outcome_statuses = {"won": (in_words(outcome.won_if),), "lost": lost}
    rows = []
    for name in STAGES:
        stage = definition.stages.get(name)
        status = outcome_statuses.get(name, stage.status if stage else ())
        if status or stage:
            level = "" if stage is None or stage.level is None else f"{stage.level:g}"
            rows.append((name, label(definition, name), level, ", ".join(status)))
    yield Table(
        ("Stage", "What we call it", "Level (0 to 6)", "Status in the CRM"),
        tuple(rows),
        numbers=("Level (0 to 6)",),
    )
    back = label(definition, "MIL")
    yield Text(
        "A lead moves forward through these stages. One that sales does not accept is passed back"
        f" to marketing and is {with_article(back)} again; one that was won or lost and comes back"
        " starts over."
    )


def _customers(definition: Definition) -> Iterator[Block]:
    profile = definition.profile
    if not (profile.ideal or profile.personas or profile.acceptable or profile.unacceptable):
        return
    yield Heading("Whom we want as a customer")
    if profile.ideal:
        yield Text("Our ideal customer meets all of these conditions:")
        yield Bullets(tuple(str(condition) for condition in profile.ideal))
    if profile.personas:
        yield Text("Our buyer personas:")
        yield Table(
            ("Buyer", "Recognized by"),
            tuple((name, in_words(when)) for name, when in profile.personas.items()),
        )
    if profile.acceptable:
        what = "They are handed to sales like any other."
        if definition.requires_ideal:
            what = "We keep in touch with them until they ask for sales themselves."
        yield Text(f"Other customers are acceptable. {what} One of these conditions is enough:")
        yield Bullets(tuple(_case_in_words(case) for case in profile.acceptable))
    if profile.unacceptable:
        yield Text(
            "Customers that we do not want are never handed to sales, whatever their points. One of"
            " these conditions is enough:"
        )
        yield Bullets(tuple(_case_in_words(case) for case in profile.unacceptable))


def _activities(definition: Definition) -> Iterator[Block]:
    kinds = definition.activities
    if kinds.intent or kinds.interest:
        yield Heading("Intent and interest")
        yield Text(
            "Intent is what people do who want to buy. Interest is not intent: a gift taken at a"
            " booth does not sell anything."
        )
        rows = (
            ("Asks for sales", ", ".join(kinds.hand_raise)),
            ("Intent", ", ".join(kinds.intent)),
            ("Interest", ", ".join(kinds.interest)),
        )
        yield Table(("What it shows", "Activities"), tuple(row for row in rows if row[1]))
    if kinds.hand_raise:
        days = days_in_words(kinds.hand_raise_days)
        yield Text(f"Who asked for sales in the last {days} counts as asking for sales.")


def _points(definition: Definition) -> Iterator[Block]:
    yield Heading("Points")
    if not definition.scorecard:
        yield Text(
            "There is no scorecard; until there is enough history, every lead gets the conversion"
            " that we expect of any lead."
        )
        return
    if len(definition.scorecard) > 1:
        yield Text(
            "Each lead is scored by the first of these scorecards that applies to it, so that only"
            " leads of the same kind are compared."
        )
    for card in definition.scorecard:
        yield from _card(definition, card)


def _card(definition: Definition, card: Scorecard) -> Iterator[Block]:
    yield Heading(card.name, level=3)
    if card.segment:
        yield Text(f"For leads where {in_words(card.segment)}.")
    elif card is definition.scorecard[0]:
        yield Text("For every lead.")
    else:
        yield Text("For every lead to which none of the scorecards above applies.")
    if card.rule:
        rows = tuple(_rule(definition, rule) for rule in card.rule)
        yield Table(("Rule", "When", "Points", "Counts as"), rows, numbers=("Points",))
    limits = [f"{group} gives at most {most:g} points" for group, most in card.caps.items()]
    if card.at_most is not None:
        limits.append(f"the scorecard gives at most {card.at_most:g} points")
    if card.at_least is not None:
        limits.append(f"the scorecard gives at least {card.at_least:g} points")
    if limits:
        yield Text(f"Limits: {'; '.join(limits)}.")
    expected = of_100(card.conversion_at_threshold)
    double = card.points_to_double_the_odds
    yield Text(
        f"At {card.threshold:g} points we expect to win {expected}; every {double:g} more points"
        " double the odds."
    )
    points = card.threshold + double * POINTS_TABLE_STEPS
    logit = logit_of(card.conversion_at_threshold) + np.log(2) * POINTS_TABLE_STEPS
    expectations = tuple(
        (f"{given:g}", of_100(chance))
        for given, chance in zip(points.tolist(), probability_of(logit).tolist(), strict=True)
    )
    yield Table(
        ("Points", "We expect to win"), expectations, numbers=("Points", "We expect to win")
    )


def _rule(definition: Definition, rule: Rule) -> tuple[str, str, str, str]:
    when = in_words(rule.when)
    if rule.half_life_days is not None:
        when += f"; the points halve every {rule.half_life_days:g} days"
    return rule.says, when, f"{rule.points:+g}", group_of(rule, definition.activities)


def _handover(definition: Definition) -> Iterator[Block]:
    gate = definition.gate
    yield Heading("Who is handed to sales")
    yield Text("Never, whatever the points:")
    yield Bullets(tuple(_exclusions(definition)))
    yield Text("Otherwise every lead that meets all of these:")
    yield Bullets(tuple(_criteria(definition)))
    if gate.always_work_share:
        keeps = definition.profile.acceptable and definition.requires_ideal
        also = ", acceptable customers, too" if keeps else ""
        yield Text(
            f"In addition, {of_100(gate.always_work_share)} leads are randomly selected and worked"
            f" whatever their score{also} (the exploration sample). If sales only ever saw leads"
            " that score well, nobody could learn where the score is wrong."
        )
    yield Heading("What happens to the others")
    yield Bullets(tuple(_other_actions(definition)))


def _exclusions(definition: Definition) -> Iterator[str]:
    if definition.profile.unacceptable:
        yield "customers that we do not want"
    if not definition.junk.off:
        yield (
            "junk: made-up names, disposable e-mail addresses, telephone numbers that cannot exist"
        )
        yield from (str(case) for case in definition.junk.rule)
        yield "people whom nobody can reach, with neither an e-mail address nor a telephone number"
    consent = definition.columns.consent
    if consent is not None:
        yield f"people without consent: {consent} is not {either(definition.gate.consent)}"
    yield "leads that could not be scored"
    if definition.gate.refused_sources:
        refused = either(definition.gate.refused_sources)
        yield f"leads that come from {refused}, even if they ask for sales themselves"


def _other_actions(definition: Definition) -> Iterator[str]:
    gate = definition.gate
    outcome = definition.outcome
    expected = outcome.expected_conversion
    nurture_from = expected if gate.nurture_from is None else gate.nurture_from
    discard_below = expected / 10 if gate.discard_below is None else gate.discard_below
    keeps = definition.profile.acceptable and definition.requires_ideal
    also = ", and acceptable customers" if keeps else ""
    yield (
        f"Nurture: at least {of_100(nurture_from)} such leads are won within"
        f" {outcome.winnable_days:g} days{also}; keep in touch."
    )
    yield (
        "Recycle: there is too little to go on, or something is missing; marketing may bring it"
        " back."
    )
    yield (
        f"Discard: fewer than {of_100(discard_below)} such leads are ever won, or it is junk or a"
        " customer that we do not want."
    )


def _criteria(definition: Definition) -> Iterator[str]:
    gate = definition.gate
    yield from _source_and_fit(definition)
    if definition.bant.at_least:
        needs = joined(
            [f"{need} ({column})" for need, column in definition.bant.fields.items()], "and"
        )
        yield f"At least {definition.bant.at_least} of {needs} are known."
    if gate.points is not None:
        yield f"It has {gate.points:g} points or more."
    if gate.probability is not None:
        yield (
            f"At least {of_100(gate.probability)} such leads are won within"
            f" {definition.outcome.horizon_days:g} days."
        )
    if gate.cost_to_work is not None and gate.deal_value is not None:
        threshold = of_100(passing_probability(definition))
        yield (
            f"It is worth the cost: working a lead costs {gate.cost_to_work:g} and a deal brings"
            f" {gate.deal_value:g}, so {threshold} must be won."
        )
    if gate.capacity_per_week is not None:
        yield f"It is among the best {gate.capacity_per_week} of the week."
    elif gate.points is None and gate.probability is None and gate.cost_to_work is None:
        yield from _policy(definition)


def _source_and_fit(definition: Definition) -> Iterator[str]:
    gate = definition.gate
    profile = definition.profile
    asks = definition.activities.hand_raise
    unless_it_asks = ", or asks for sales itself" if asks else ""
    if gate.sources:
        yield f"It comes from {either(gate.sources)}{unless_it_asks}."
    if definition.requires_ideal:
        also = ", or is acceptable and asks for sales itself" if profile.acceptable and asks else ""
        yield f"It fits our ideal customer{also}."


def _policy(definition: Definition) -> Iterator[str]:
    """What the growth stage requires where the gate gives no threshold."""
    engagement = definition.engagement()
    asks = ", or it asks for sales itself" if definition.activities.hand_raise else ""
    if definition.growth_stage == "seed":
        if engagement is None:
            yield "Nothing more: at our stage nearly every lead is worth a call."
        elif definition.activities.hand_raise:
            yield "It has asked for sales itself."
        else:
            yield "It has shown intent."
        return
    if engagement is not None:
        yield "It has shown interest or intent."
    if definition.scorecard:
        reaches = "It reaches the conversion that is expected at the threshold of its scorecard"
        yield f"{reaches}{asks}."
    else:
        expected = of_100(definition.outcome.expected_conversion)
        yield f"At least {expected} such leads are won{asks}."


def _grades(definition: Definition) -> Iterator[Block]:
    grades = definition.grades
    reference = "the average lead"
    among = "all leads"
    if grades.relative_to == "gate":
        reference = among = "a lead that just passes the gate"
    yield Heading("Grades: hot to cold")
    cuts: dict[Grade, float] = {"hot": grades.hot, "warm": grades.warm, "cool": grades.cool}
    rows = []
    for name, cut in cuts.items():
        times = "the odds" if cut == 1 else f"{cut:g} times the odds"
        rows.append((grades.labels.get(name, name), f"{times} of {reference}, or more"))
    rows.append((grades.labels.get("cold", "cold"), "less than that"))
    yield Table(("Grade", "Odds of being won"), tuple(rows))
    if grades.while_thin == "source":
        yield Text(
            "While the history is too thin to tell leads apart, a lead has the grade of its source:"
            f" what leads from there were won so far, compared with {among}."
        )


def _grid(definition: Definition) -> Iterator[Block]:
    grid = definition.grid
    if grid is None:
        return
    yield Heading("Fit and engagement apart: A1 to D4")
    yield Text(
        "The letter says how well a lead fits: who they are. The number says how engaged it is:"
        " interest, intent and other behavior, what they did. Each is by how much it alone"
        " multiplies the odds of the average lead. So an A4 is worth winning over, and a D1 asks"
        " without fitting."
    )
    sides = (("Fit", FIT, grid.fit), ("Engagement", ENGAGEMENT, grid.engagement))
    rows = tuple(
        (
            side,
            *(f"{name}: {step:g} or more" for name, step in zip(names, steps, strict=False)),
            f"{names[-1]}: less",
        )
        for side, names, steps in sides
    )
    yield Table(("Multiplies the odds by", "Best", "Good", "Fair", "Poor"), rows)
    if grid.words:
        yield Table(("Cell", "What we call it"), grid.word_rows())
    if definition.scorecard:
        yield Text(
            "While the scorecard answers, they are its points, and the average lead is one that is"
            f" won as often as we expect of any: {of_100(definition.outcome.expected_conversion)}."
            " With a trained model they are parts of its score, against a typical open lead."
        )


def _feedback(definition: Definition) -> Iterator[Block]:
    feedback = definition.feedback
    yield Heading("What sales answers")
    yield Text(
        "Sales accepts a lead or rejects it with a reason. Neither counts as won or lost: an"
        " opinion is not an outcome."
    )
    kinds = (
        ("Not this lead, or not now", feedback.reasons),
        ("Not our kind of customer", feedback.unacceptable),
        ("Junk", feedback.junk),
    )
    yield Table(
        ("Meaning", "Reasons"),
        tuple((meaning, ", ".join(reasons)) for meaning, reasons in kinds if reasons),
    )


def _returns(definition: Definition) -> Iterator[Block]:
    yield Heading("Who comes back")
    yield Text(
        "A lead that was answered may come back. It is then judged like a new one, and shows what"
        " was said before."
    )
    answers: dict[str, list[str]] = {}
    for reason in definition.feedback.every:
        rule = definition.return_rule("rejected", reason)
        answers.setdefault(str(rule), []).append(f"“{reason}”")
    sentences = [
        f"Rejected as {either(reasons)}: {_comes_back(when)}." for when, reasons in answers.items()
    ]
    for answer in ("lost", "won", "junk"):
        when = _comes_back(str(definition.return_rule(answer)))
        sentences.append(f"{answer.capitalize()}: {when}.")
    yield Bullets(tuple(sentences))


def _comes_back(rule: str) -> str:
    return "never comes back" if rule == NEVER else f"comes back {rule}"


def _retention(definition: Definition) -> Iterator[Block]:
    retention = definition.retention
    sentences = []
    if retention.scores_months is not None:
        sentences.append(
            f"Scores older than {counted(retention.scores_months, 'month')} are thinned to one a"
            " month for each lead."
        )
    if retention.leads_months is not None:
        sentences.append(
            "The data of leads that were neither scored nor answered for"
            f" {counted(retention.leads_months, 'month')} is erased, with a receipt."
        )
    if sentences:
        yield Heading("How long data is kept")
        yield Text(" ".join(sentences))


def _columns(definition: Definition) -> Iterator[Block]:
    columns = definition.columns
    roles = (
        "id",
        "person",
        "account",
        "created",
        "closed",
        "closed_lost",
        "changed",
        "status",
        "source",
        "consent",
        "owner",
    )
    rows = [
        (role.replace("_", " "), getattr(columns, role))
        for role in roles
        if getattr(columns, role) not in {None, STATUS}
    ]
    if columns.missing_source == "last touch":
        touch = "the last marketing touch before it was created"
        rows.append(("source, where the CRM has none", touch))
    if definition.outcome.fields:
        rows.append(("won or lost", ", ".join(definition.outcome.fields)))
    if columns.fixed:
        rows.append(("never changes after creation", ", ".join(columns.fixed)))
    if columns.ignore:
        rows.append(("not used", ", ".join(columns.ignore)))
    yield Heading("Where to find it in the CRM")
    yield Table(("Role", "Column"), tuple(rows))


def _case_in_words(case: Case) -> str:
    when = in_words(case.when)
    return f"{case.says}: {when}" if case.says else when
