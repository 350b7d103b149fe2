"""The definition as a page: what marketing, sales and an engineer can each read without a meeting,
and sign.

Everything on the page is taken from the definition itself, in its own words and its conditions'
plain English. The forms that the page takes (Markdown, HTML) are in `document`; the difference
between two versions is found in `compare` and only shown here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from winnable.core.documents import Block, Bullets, Heading, Page, Table, Text
from winnable.core.text import with_article
from winnable.definition.conditions import in_words
from winnable.definition.decide.gate import passing_probability
from winnable.definition.decide.scorecard import group_of, log_odds, probability_of
from winnable.definition.review.diff import HandOverChange, changes
from winnable.definition.review.lint import warnings
from winnable.definition.rules import Rule, Scorecard
from winnable.definition.schema import ANYTHING, Definition, Grade
from winnable.definition.stages import STAGES, label


def describe(definition: Definition, more_doubts: Sequence[str] = ()) -> Page:
    """The whole definition as a page; `more_doubts` are sentences that only the data could tell."""
    blocks = [
        *_opening(definition),
        *_stages(definition),
        *_customers(definition),
        *_activities(definition),
        *_points(definition),
        *_handover(definition),
        *_grades(definition),
        *_answers(definition),
        *_columns(definition),
    ]
    unclear = (*warnings(definition), *more_doubts)
    if unclear:
        blocks += [Heading("What should be looked at"), Bullets(unclear)]
    return Page(definition.name, tuple(blocks))


def describe_changes(
    old: Definition, new: Definition, handed: Sequence[HandOverChange] = ()
) -> Page:
    """What changed from one version to the other, and, where leads were given, how many each would
    have handed over."""
    found = changes(old, new)
    blocks: list[Block] = [
        Text(f"From version {old.version} ({old.name}) to version {new.version} ({new.name}).")
    ]
    if found:
        rows = tuple((change.where, change.before or "–", change.after or "–") for change in found)
        blocks += [Heading("What changed"), Table(("Where", "Before", "Now"), rows)]
    else:
        blocks.append(Text("The two say the same."))
    if handed:
        columns = ("Version", "Leads", "Handed over", "Of these won", "Conversion")
        blocks += [
            Heading("What each version would have handed over"),
            Text(
                "By the points of each version, nothing learned. The last two leave out leads whose"
                " outcome is not known yet."
            ),
            Table(columns, tuple(_counts(each) for each in handed), numbers=columns[1:]),
        ]
    return Page(f"{new.name}: what changed", tuple(blocks))


def schema() -> dict[str, Any]:
    """The JSON schema of the definition file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Definition.model_json_schema(),
    }


def of_100(probability: float) -> str:
    """A probability the way people say it: "12 in 100", "5 in 1,000"."""
    if probability >= 0.01:
        return f"{round(probability * 100, 1):g} in 100"
    return f"{probability * 1000:.2g} in 1,000" if probability >= 0.001 else "fewer than 1 in 1,000"


def _counts(handed: HandOverChange) -> tuple[str, ...]:
    conversion = of_100(handed.won / handed.known) if handed.known else "not known yet"
    return (
        handed.version,
        f"{handed.leads:,}",
        f"{handed.passed:,}",
        f"{handed.won:,} of {handed.known:,}",
        conversion,
    )


def _opening(definition: Definition) -> Iterator[Block]:
    outcome = definition.outcome
    agreed = f", agreed by {_and(definition.agreed_by)}" if definition.agreed_by else ""
    yield Text(
        f"Version {definition.version}{agreed}. It says which leads are worth working, how we tell,"
        " and what follows."
    )
    yield Heading("What we want to know")
    lost = f"Lost means {_or(outcome.lost)}." if outcome.lost else "No status means lost."
    won = (
        f"the CRM's status is {_or(outcome.won)}. {lost} Every other status is a lead that is still"
        " open."
    )
    if outcome.won == (ANYTHING,):
        won = (
            f"the CRM holds a value in {definition.columns.status}. Without one, a lead is still"
            " open."
        )
    yield Bullets(
        (
            f"Won means that {won}",
            f"Sales-ready: likely to be won within {outcome.horizon_days:g} days.",
            (
                f"Winnable: likely to be won within {outcome.winnable_days:g} days; perhaps too"
                " early for sales, but not to be lost."
            ),
            f"Before any history we expect to win {of_100(outcome.expected_conversion)} leads.",
        )
    )


def _stages(definition: Definition) -> Iterator[Block]:
    yield Heading("The life of a lead")
    rows = []
    for name in STAGES:
        stage = definition.stages.get(name)
        status = {"won": definition.outcome.won, "lost": definition.outcome.lost}.get(
            name, stage.status if stage else ()
        )
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
        " begins anew."
    )


def _customers(definition: Definition) -> Iterator[Block]:
    profile = definition.profile
    if not (profile.ideal or profile.personas or profile.unacceptable):
        return
    yield Heading("Whom we want as a customer")
    if profile.ideal:
        yield Text("Our ideal customer, all of these being true:")
        yield Bullets(tuple(str(condition) for condition in profile.ideal))
    if profile.personas:
        yield Text("Whom we sell to there:")
        yield Table(
            ("Buyer", "Known by"),
            tuple((name, in_words(when)) for name, when in profile.personas.items()),
        )
    if profile.unacceptable:
        yield Text(
            "Whom we do not want, and never hand to sales, however many points there are; one of"
            " these is enough:"
        )
        yield Bullets(tuple(_case(case.says, in_words(case.when)) for case in profile.unacceptable))


def _activities(definition: Definition) -> Iterator[Block]:
    kinds = definition.activities
    if kinds.intent or kinds.interest:
        yield Heading("Intent and interest")
        yield Text(
            "Intent is what people do who mean to buy. Interest is not intent: a gift taken at a"
            " booth sells nothing."
        )
        rows = (("Intent", ", ".join(kinds.intent)), ("Interest", ", ".join(kinds.interest)))
        yield Table(("What it shows", "Activities"), tuple(row for row in rows if row[1]))


def _points(definition: Definition) -> Iterator[Block]:
    yield Heading("Points")
    if not definition.scorecard:
        yield Text(
            "There is no scorecard; until history tells more, every lead gets the conversion that"
            " we expect of any lead."
        )
        return
    if len(definition.scorecard) > 1:
        yield Text(
            "Each lead is scored by the first of these cards that is meant for it, so only leads of"
            " a kind are compared."
        )
    for card in definition.scorecard:
        yield from _card(definition, card)


def _card(definition: Definition, card: Scorecard) -> Iterator[Block]:
    yield Heading(card.name, level=3)
    first = card is definition.scorecard[0]
    everyone = (
        "For every lead." if first else "For every lead that none of the cards above is meant for."
    )
    yield Text(f"For leads where {in_words(card.segment)}." if card.segment else everyone)
    if card.rule:
        rows = tuple(_rule(definition, rule) for rule in card.rule)
        yield Table(("Rule", "When", "Points", "Counts as"), rows, numbers=("Points",))
    limits = [f"{group} gives {most:g} points at most" for group, most in card.caps.items()]
    limits += [] if card.at_most is None else [f"the card gives {card.at_most:g} points at most"]
    limits += [] if card.at_least is None else [f"the card gives {card.at_least:g} points at least"]
    if limits:
        yield Text(f"Limits: {'; '.join(limits)}.")
    double = card.points_to_double_the_odds
    expected = of_100(card.conversion_at_threshold)
    yield Text(
        f"At {card.threshold:g} points we expect to win {expected}; every {double:g} points more"
        " double the odds."
    )
    steps = card.threshold + double * np.arange(-3, 4)
    chances = probability_of(
        log_odds(card.conversion_at_threshold) + (steps - card.threshold) * np.log(2) / double
    )
    told = tuple(
        (f"{step:g}", of_100(chance))
        for step, chance in zip(steps.tolist(), chances.tolist(), strict=True)
    )
    yield Table(("Points", "We expect to win"), told, numbers=("Points", "We expect to win"))


def _rule(definition: Definition, rule: Rule) -> tuple[str, str, str, str]:
    fades = (
        f"; half of it is left after {rule.half_life_days:g} days"
        if rule.half_life_days is not None
        else ""
    )
    return (
        rule.says,
        in_words(rule.when) + fades,
        f"{rule.points:+g}",
        group_of(rule, definition.activities),
    )


def _handover(definition: Definition) -> Iterator[Block]:
    gate, outcome = definition.gate, definition.outcome
    yield Heading("Who is handed to sales")
    yield Text("Never, whatever the points:")
    never = ["customers that we do not want"] if definition.profile.unacceptable else []
    if not definition.junk.off:
        never += [
            "junk: made-up names, throw-away e-mail addresses, telephone numbers that cannot exist"
        ]
        never += [str(case) for case in definition.junk.rule]
        never += [
            "people whom nobody can reach, with neither an e-mail address nor a telephone number"
        ]
    if definition.columns.consent is not None:
        never.append(
            f"people without consent: {definition.columns.consent} is not {_or(gate.consent)}"
        )
    yield Bullets((*never, "leads that could not be scored"))
    yield Text("Otherwise, if all of this is true:")
    yield Bullets(tuple(_bars(definition)))
    if gate.always_work_share:
        yield Text(
            f"Besides these, {of_100(gate.always_work_share)} leads are drawn by lot and worked"
            " whatever their score. If sales only ever saw leads that score well, nobody could"
            " learn where the score is wrong."
        )
    yield Heading("What happens to the others")
    nurture = outcome.expected_conversion if gate.nurture_from is None else gate.nurture_from
    discard = outcome.expected_conversion / 10 if gate.discard_below is None else gate.discard_below
    yield Bullets(
        (
            (
                f"Nurture: at least {of_100(nurture)} such leads are won within"
                f" {outcome.winnable_days:g} days; keep in touch."
            ),
            (
                "Recycle: too little speaks for it, or something is missing; marketing may bring it"
                " back."
            ),
            (
                f"Discard: fewer than {of_100(discard)} such leads are ever won, or it is junk or a"
                " customer that we do not want."
            ),
        )
    )


def _bars(definition: Definition) -> Iterator[str]:
    gate, stage = definition.gate, definition.growth_stage
    if stage == "mature" and gate.sources:
        yield f"It comes from {_or(gate.sources)}."
    if stage != "seed" and definition.profile.ideal:
        yield "It fits our ideal customer."
    if definition.bant.at_least:
        asked = _and([f"{need} ({column})" for need, column in definition.bant.fields.items()])
        yield f"At least {definition.bant.at_least} of {asked} are known."
    if gate.points is not None:
        yield f"It has {gate.points:g} points or more."
    if gate.probability is not None:
        yield (
            f"At least {of_100(gate.probability)} such leads are won within"
            f" {definition.outcome.horizon_days:g} days."
        )
    if gate.cost_to_work is not None and gate.deal_value is not None:
        bar = of_100(passing_probability(definition))
        yield (
            f"It is worth its cost: work costs {gate.cost_to_work:g}, a deal brings"
            f" {gate.deal_value:g}, so {bar} must be won."
        )
    if gate.capacity_per_week is not None:
        yield f"It is among the best {gate.capacity_per_week} of the week."
    elif gate.points is None and gate.probability is None and gate.cost_to_work is None:
        yield from _policy(definition)


def _policy(definition: Definition) -> Iterator[str]:
    engaged = definition.engagement() is not None
    if definition.growth_stage == "seed":
        everyone = "Nothing more: at our stage nearly every lead is worth a call."
        yield "It did something that shows intent." if engaged else everyone
        return
    if engaged:
        yield "It did something that shows interest or intent."
    expected = of_100(definition.outcome.expected_conversion)
    card = (
        "it reaches the conversion expected at the threshold of its scorecard"
        if definition.scorecard
        else ""
    )
    yield f"Its chance is good enough: {card or f'at least {expected} such leads are won'}."


def _grades(definition: Definition) -> Iterator[Block]:
    grades = definition.grades
    against = (
        "a lead that just passes the gate" if grades.relative_to == "gate" else "the usual lead"
    )
    yield Heading("Hot to cold")
    cuts: dict[Grade, float] = {"hot": grades.hot, "warm": grades.warm, "cool": grades.cool}
    times = {
        name: "the odds" if cut == 1 else f"{cut:g} times the odds" for name, cut in cuts.items()
    }
    rows = [
        (grades.labels.get(name, name), f"{times[name]} of {against}, or more") for name in cuts
    ]
    yield Table(
        ("Grade", "Chance of being won"),
        (*rows, (grades.labels.get("cold", "cold"), "less than that")),
    )


def _answers(definition: Definition) -> Iterator[Block]:
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
        ("It means", "Reasons"),
        tuple((says, ", ".join(reasons)) for says, reasons in kinds if reasons),
    )


def _columns(definition: Definition) -> Iterator[Block]:
    columns = definition.columns
    roles = ("id", "person", "created", "closed", "status", "source", "consent", "owner")
    rows = [(role, getattr(columns, role)) for role in roles if getattr(columns, role) is not None]
    rows += [("never changes after creation", ", ".join(columns.fixed))] if columns.fixed else []
    rows += [("not looked at", ", ".join(columns.ignore))] if columns.ignore else []
    yield Heading("Where it stands in the CRM")
    yield Table(("What", "Column"), tuple(rows))


def _case(says: str, when: str) -> str:
    return f"{says}: {when}" if says else when


def _and(words: Sequence[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def _or(words: Sequence[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
