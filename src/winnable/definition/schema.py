"""The shared definition: what marketing and sales agreed to call a lead, in the form of its file.

Every table of the definition file is a model here, key by key, with what it means and what stands
there if nobody wrote it, so that a file of five lines is a whole definition. What contradicts
itself is refused. Reading the file is done in `load`, giving points in `scorecard`, handing over in
`gate`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from winnable.core.columns import ActivityAggregate
from winnable.definition.conditions import (
    Activities,
    Condition,
    Days,
    DefinitionPart,
    Listed,
    Name,
    Share,
)
from winnable.definition.rules import CaseOrCondition, Points, Profile, Scorecard

StageName = Literal["MAL", "MIL", "MQL", "SAL", "SQL", "opportunity", "won", "lost"]
Grade = Literal["hot", "warm", "cool", "cold"]
Need = Literal["budget", "authority", "need", "timeframe"]

ANYTHING = "*"
"""Alone under `won`: a lead is won when its status column holds anything at all, such as the date
of winning."""

CONSENT = ("yes", "y", "true", "1", "x", "opt-in", "opted in", "granted", "given", "subscribed")


class Outcome(DefinitionPart):
    """When a lead counts as won or lost, and within how many days that is asked."""

    won: Annotated[Listed, Field(min_length=1)]
    """Values of the status column that mean Closed Won; "*" alone: any value, where the column is
    such as the date of winning."""
    lost: Listed = ()
    """Values that mean the lead is lost; every other value: still open."""
    horizon_days: Days = 90
    """Sales-ready: likely to be won within so many days."""
    winnable_days: Days = 365
    """Winnable: likely to be won within so many days."""
    expected_conversion: Share = 0.10
    """The share of leads that both teams expect to win, before any history."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        both = sorted(set(self.won) & set(self.lost))
        if both:
            raise ValueError(
                f"the status {both[0]!r} is listed under won and under lost; keep it in one of them"
            )
        if ANYTHING in self.won and (len(self.won) > 1 or self.lost):
            raise ValueError(
                f"{ANYTHING!r} under won means any value at all, so no other can be listed beside"
                " it or under lost"
            )
        if self.winnable_days < self.horizon_days:
            raise ValueError(
                f"winnable_days ({self.winnable_days:g}) is shorter than horizon_days"
                f" ({self.horizon_days:g}); winnable is the longer view"
            )
        return self


class Columns(DefinitionPart):
    """Which column of the CRM plays which role; only `status` is required."""

    id: Name | None = None
    """The lead's own key."""
    person: Name | None = None
    """What recognises the same person in several records: an e-mail address."""
    created: Name | None = None
    """When the lead came to be."""
    closed: Name | None = None
    """When it was won or lost."""
    status: Name
    """Where it stands; its values are sorted by [outcome] and [stages]."""
    source: Name | None = None
    """Where it came from."""
    consent: Name | None = None
    """Whether it may be contacted; if named, a lead without consent is never handed over."""
    owner: Name | None = None
    """Who works it in sales, for the inbox; found by its name if not given."""
    fixed: Listed = ()
    """Columns known at creation and never changed after."""
    trusted: Listed = ()
    """Columns that models may learn from although they look as if they knew the outcome."""
    ignore: Listed = ()
    """Columns that nothing may be learned from."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for role in ("id", "person", "created", "source", "consent"):
            if getattr(self, role) == self.status:
                raise ValueError(
                    f"{self.status!r} cannot be both status and {role}; each of the two needs a"
                    " column of its own"
                )
        if self.created is not None and self.created == self.closed:
            raise ValueError(
                f"{self.created!r} cannot be both created and closed; leave closed out if the CRM"
                " does not keep it"
            )
        for listed, columns in (("fixed", self.fixed), ("trusted", self.trusted)):
            both = sorted(set(columns) & set(self.ignore))
            if both:
                raise ValueError(
                    f"{both[0]!r} is listed under {listed} and under ignore; keep it in one of them"
                )
        return self


class Stage(DefinitionPart):
    """One of the field's stages in the company's own words."""

    label: Name | None = None
    """What the company calls this stage."""
    status: Listed = ()
    """Values of the status column that mean this stage."""
    level: Annotated[float, Field(ge=0, le=6)] | None = None
    """Level of qualification, from 0 to 6."""


class Bant(DefinitionPart):
    """Budget, authority, need and timeframe: where they are kept, and how many of them sales wants
    to know."""

    fields: dict[Need, Name] = Field(default_factory=dict)
    """The column that tells each of the four."""
    at_least: Annotated[int, Field(ge=0, le=4)] = 0
    """How many of them must be known; asking for all starves sales."""
    not_known: Listed = ("no", "false", "0", "none", "unknown")
    """Values that do not count as an answer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.at_least > len(self.fields):
            named = len(self.fields)
            raise ValueError(
                f"at_least is {self.at_least}, but fields names {named} of the four; name more or"
                " ask for fewer"
            )
        return self


class Gate(DefinitionPart):
    """Who is handed to sales. Every bar that is written must be met; none written: the policy of
    the growth stage."""

    probability: Share | None = None
    """Hand over from this probability on."""
    points: Points | None = None
    """Hand over from so many points on."""
    cost_to_work: Annotated[float, Field(gt=0)] | None = None
    """What it costs sales to work one lead."""
    deal_value: Annotated[float, Field(gt=0)] | None = None
    """What a won deal is worth, in the same currency."""
    capacity_per_week: Annotated[int, Field(ge=1)] | None = None
    """So many leads can be worked a week: the best of those scored together, taken as one week's
    leads."""
    sources: Listed = ()
    """A mature company hands over leads from these sources only; none given: from all."""
    consent: Annotated[Listed, Field(min_length=1)] = CONSENT
    """Values of the consent column that allow contact."""
    nurture_from: Share | None = None
    """Not handed over, but nurtured from this probability in the long view; expected_conversion if
    not given."""
    discard_below: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Discarded below this probability in the long view; a tenth of expected_conversion if not
    given."""
    always_work_share: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """A random share that sales works whatever the score, which keeps the history honest."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.cost_to_work is None) != (self.deal_value is None):
            raise ValueError(
                "cost_to_work and deal_value are only useful together; write both or none"
            )
        if (
            self.cost_to_work is not None
            and self.deal_value is not None
            and self.cost_to_work >= self.deal_value
        ):
            raise ValueError(
                f"a deal worth {self.deal_value:g} never pays for {self.cost_to_work:g} of work;"
                " correct one"
            )
        if (
            self.nurture_from is not None
            and self.discard_below is not None
            and self.discard_below > self.nurture_from
        ):
            raise ValueError(
                f"discard_below ({self.discard_below:g}) is more than nurture_from"
                f" ({self.nurture_from:g}); exchange them"
            )
        return self


class Grades(DefinitionPart):
    """Hot to cold: how the odds of being won compare with the base, and what the company calls each
    grade."""

    relative_to: Literal["base", "gate"] = "base"
    """What the odds are compared with: the usual lead, or the gate."""
    hot: Annotated[float, Field(gt=0)] = 2.0
    """Hot from so many times the odds on."""
    warm: Annotated[float, Field(gt=0)] = 1.0
    """Warm from so many times the odds on."""
    cool: Annotated[float, Field(gt=0)] = 0.5
    """Cool from so many times the odds on; cold below."""
    labels: dict[Grade, Name] = Field(default_factory=dict)
    """The company's own words for the grades."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.hot > self.warm > self.cool:
            raise ValueError(
                f"hot ({self.hot:g}), warm ({self.warm:g}) and cool ({self.cool:g}) must fall in"
                " this order"
            )
        return self


class Junk(DefinitionPart):
    """What is no lead at all. The lists add to the ones that every definition starts from (see
    `junk`)."""

    off: bool = False
    """Do not look for junk."""
    name: Listed = ()
    """Columns with a person's name; found by their names if not given."""
    email: Listed = ()
    """Columns with an e-mail address; found by their names if not given."""
    phone: Listed = ()
    """Columns with a telephone number; found by their names if not given."""
    names: Listed = ()
    """More names that nobody has."""
    email_domains: Listed = ()
    """More domains of throw-away addresses."""
    phones: Listed = ()
    """More telephone numbers that cannot be."""
    rule: tuple[CaseOrCondition, ...] = ()
    """More cases of junk: any one of them is enough."""


class Feedback(DefinitionPart):
    """Why sales may reject a lead, in the words that the inbox offers. A reason is an opinion; it
    never counts as lost."""

    reasons: Listed = (
        "No need",
        "No budget",
        "Not the right time",
        "Not the right person",
        "Nobody answers",
    )
    """Reasons that speak of this lead at this time."""
    unacceptable: Listed = ("Not a customer that we want",)
    """Reasons that speak of the kind of customer; `winnable suggest` looks for what such leads have
    in common."""
    junk: Listed = ("Not a real person",)
    """Reasons that mean junk; `winnable suggest` looks at these, too."""

    @property
    def every(self) -> tuple[str, ...]:
        """All reasons, in the order in which they are offered."""
        return (*self.reasons, *self.unacceptable, *self.junk)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        often = Counter(self.every)
        if often and often.most_common(1)[0][1] > 1:
            raise ValueError(
                f"the reason {often.most_common(1)[0][0]!r} is listed twice; keep it in one place"
            )
        return self


class History(DefinitionPart):
    """Where the table of changed fields keeps what; found by the columns' names if not given."""

    lead: Name | None = None
    """Column with the lead's id."""
    at: Name | None = None
    """Column with the moment of the change."""
    field: Name | None = None
    """Column with the name of the field that changed."""
    old: Name | None = None
    """Column with the value before."""
    new: Name | None = None
    """Column with the value after."""
    recorded: Name | None = None
    """Column with the moment at which the change was entered, if that may be later."""


class Definition(DefinitionPart):
    """The whole definition, as marketing and sales agreed on it."""

    name: Name = "Our qualified lead"
    """What the definition is called."""
    version: Annotated[Name, BeforeValidator(str)] = "1"
    """Its version."""
    agreed_by: Listed = ()
    """Who agreed on it."""
    growth_stage: Literal["seed", "growth", "mature"] = "growth"
    """Seed: nearly everyone who raised a hand is handed over. Growth: who is engaged and fits.
    Mature: the best."""
    outcome: Outcome
    columns: Columns
    stages: dict[StageName, Stage] = Field(default_factory=dict)
    """The field's stages in the company's words."""
    profile: Profile = Profile()
    activities: Activities = Activities()
    history: History = History()
    scorecard: tuple[Scorecard, ...] = ()
    """One for each segment; the first whose segment fits is used."""
    bant: Bant = Bant()
    gate: Gate = Gate()
    grades: Grades = Grades()
    junk: Junk = Junk()
    feedback: Feedback = Feedback()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for condition in self.conditions():
            if condition.activity in {"intent", "interest"} and not self.activities.kinds(
                condition.activity
            ):
                raise ValueError(
                    f"a condition asks for {condition.activity}, but [activities] lists no kind"
                    " under that; list some there"
                )
        if self.columns.closed == self.columns.status and self.outcome.won != (ANYTHING,):
            raise ValueError(
                f"{self.columns.status!r} cannot be both status and closed, unless won ="
                f" [{ANYTHING!r}]; each of the two needs a column of its own"
            )
        named = Counter(card.name for card in self.scorecard)
        if self.scorecard and named.most_common(1)[0][1] > 1:
            raise ValueError(
                f"two scorecards are called {named.most_common(1)[0][0]!r}; give each its own name"
            )
        self._check_stages()
        return self

    def _check_stages(self) -> None:
        stage_of: dict[str, str] = dict.fromkeys(self.outcome.won, "won") | dict.fromkeys(
            self.outcome.lost, "lost"
        )
        for name, stage in self.stages.items():
            for status in stage.status:
                if name in {"won", "lost"} and stage_of.get(status) != name:
                    raise ValueError(
                        f"the stage {name} has the status {status!r}, which [outcome] has not under"
                        f" {name}; add it"
                    )
                if stage_of.setdefault(status, name) != name:
                    raise ValueError(
                        f"the status {status!r} means both {name} and {stage_of[status]}; keep it"
                        " in one of them"
                    )

    def conditions(self) -> Iterator[Condition]:
        """Every condition that is written anywhere in the definition, in the order of the file."""
        yield from self.profile.ideal
        for persona in self.profile.personas.values():
            yield from persona
        for case in (*self.profile.unacceptable, *self.junk.rule):
            yield from case.when
        for card in self.scorecard:
            yield from card.segment
            for rule in card.rule:
                yield from rule.when

    def engagement(self) -> ActivityAggregate | None:
        """What the growth stage asks of the activity log: a raised hand (seed), any engagement
        (growth), or nothing."""
        intent, interest = self.activities.intent, self.activities.interest
        kinds = {"seed": intent, "growth": intent + interest, "mature": ()}[self.growth_stage]
        return ActivityAggregate("count", kinds) if kinds else None

    def aggregates(self) -> tuple[ActivityAggregate, ...]:
        """Every question to the activity log that a condition, a fading rule or the gate asks, each
        once."""
        asked = [
            self.engagement(),
            *(condition.aggregate(self.activities) for condition in self.conditions()),
        ]
        fading = [
            rule for card in self.scorecard for rule in card.rule if rule.half_life_days is not None
        ]
        asked += [
            age
            for rule in fading
            for c in rule.when
            if isinstance(age := c.age(self.activities), ActivityAggregate)
        ]
        return tuple(dict.fromkeys(measure for measure in asked if measure is not None))

    def fields(self) -> tuple[str, ...]:
        """Every column of a lead that the definition reads: in conditions, for BANT, consent,
        sources and junk; each once."""
        read = [condition.field for condition in self.conditions()]
        read += [
            *self.bant.fields.values(),
            self.columns.consent,
            *self.junk.name,
            *self.junk.email,
            *self.junk.phone,
        ]
        if self.gate.sources:
            read.append(self.columns.source)
        return tuple(dict.fromkeys(field for field in read if field is not None))
