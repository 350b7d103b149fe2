"""The schema of the shared definition: what marketing and sales agreed to call a qualified lead.

Every table of the definition file (TOML) is a pydantic model here, key by key, with what it means
and its default, so that a file of five lines is a whole definition. What contradicts itself is
refused. Reading the file is done in `load`, giving points in `decide.scorecard`, the hand-over to
sales in `decide.gate`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from winnable.core.columns import STATUS, ActivityAggregate
from winnable.core.text import nearest
from winnable.definition.conditions import Condition, has_conditions
from winnable.definition.grid import Grid
from winnable.definition.outcome import ANYTHING, Outcome
from winnable.definition.parts import Activities, DefinitionPart, Listed, Name, Share
from winnable.definition.returns import DEFAULT_DAYS, ReturnRule, Returns
from winnable.definition.rules import CaseOrCondition, Points, Profile, Scorecard

StageName = Literal["MAL", "MIL", "MQL", "SAL", "SQL", "opportunity", "won", "lost"]
Grade = Literal["hot", "warm", "cool", "cold"]
Need = Literal["budget", "authority", "need", "timeframe"]

CONSENT_VALUES = (
    "yes",
    "y",
    "true",
    "1",
    "x",
    "opt-in",
    "opted in",
    "granted",
    "given",
    "subscribed",
)
"""Values of a consent column that allow contact, upper and lower case being the same, where the
definition lists none."""

LAST_TOUCH = "Last marketing touch"
"""The column with the source of leads where the CRM has no column for it."""

OUTCOME_STAGES = ("won", "lost")
"""The stages whose statuses [outcome] lists."""


def _repeated(names: Iterable[str]) -> str | None:
    """The name that is listed most often, if any is listed more than once."""
    most_frequent = Counter(names).most_common(1)
    return most_frequent[0][0] if most_frequent and most_frequent[0][1] > 1 else None


class Columns(DefinitionPart):
    """Which column of the CRM plays which role; only `status` is required, unless [outcome] has
    conditions."""

    model_config = ConfigDict(json_schema_extra={"required": []})

    id: Name | None = None
    """The lead's own key."""
    person: Name | None = None
    """What identifies the same person in several records, such as an e-mail address."""
    account: Name | None = None
    """The company that the person works for, by its id, name or website; a column of e-mail
    addresses stands for their domains."""
    created: Name | None = None
    """When the lead was created."""
    closed: Name | None = None
    """When it was won or lost."""
    closed_lost: Name | None = None
    """When it was lost, if that date has a column of its own."""
    changed: Name | None = None
    """When it was last changed: the end of a closed lead that has no other date."""
    status: Name
    """Its status; [outcome] and [stages] say what the values mean. Left out where [outcome] has
    conditions."""
    source: Name | None = None
    """Where it came from."""
    missing_source: Literal["unknown", "last touch"] = "unknown"
    """What counts as the source of a lead for which the CRM has none: nothing ("unknown"), or the
    kind of its last marketing touch before it was created ("last touch")."""
    consent: Name | None = None
    """Whether the person may be contacted; if named, a lead without consent is never handed
    over."""
    owner: Name | None = None
    """The salesperson who works it, for the inbox; found by its name if not given."""
    fixed: Listed = ()
    """Columns known at creation and never changed after."""
    trusted: Listed = ()
    """Columns that models may use as features although they look as if they leaked the outcome."""
    ignore: Listed = ()
    """Columns that models must not use as features."""

    @property
    def source_name(self) -> str | None:
        """The column with the source of a lead, which need not be one of the CRM; None if there is
        none."""
        if self.source is None and self.missing_source == "last touch":
            return LAST_TOUCH
        return self.source

    @property
    def dates(self) -> dict[str, str]:
        """The date columns by their roles."""
        named = {
            role: getattr(self, role) for role in ("created", "closed", "closed_lost", "changed")
        }
        return {role: name for role, name in named.items() if name is not None}

    @property
    def dates_of_the_end(self) -> frozenset[str]:
        """The columns that tell when a lead ended."""
        named = (self.closed, self.closed_lost, self.changed)
        return frozenset(name for name in named if name is not None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for role in ("id", "person", "account", "created", "source", "consent"):
            if getattr(self, role) == self.status:
                raise ValueError(
                    f"{self.status!r} cannot be both status and {role}; each of the two needs a"
                    " column of its own"
                )
        for role in ("closed", "closed_lost", "changed"):
            if self.created is not None and self.created == getattr(self, role):
                raise ValueError(
                    f"{self.created!r} cannot be both created and {role}; leave {role} out if the"
                    " CRM does not record it"
                )
        if self.missing_source == "last touch" and self.created is None:
            raise ValueError(
                'missing_source = "last touch" takes the last touch before a lead was created, but'
                " created names no column; name it"
            )
        for key, columns in (("fixed", self.fixed), ("trusted", self.trusted)):
            listed_twice = sorted(set(columns) & set(self.ignore))
            if listed_twice:
                raise ValueError(
                    f"{listed_twice[0]!r} is listed under {key} and under ignore; keep it"
                    " in one of them"
                )
        return self


class Stage(DefinitionPart):
    """One of the standard stages of a lead, in the company's own words."""

    label: Name | None = None
    """What the company calls this stage."""
    status: Listed = ()
    """Values of the status column that mean this stage."""
    level: Annotated[float, Field(ge=0, le=6)] | None = None
    """Level of qualification, from 0 to 6."""


class Bant(DefinitionPart):
    """BANT (budget, authority, need and timeframe): in which columns they are recorded, and how
    many of them must be known."""

    fields: dict[Need, Name] = Field(default_factory=dict)
    """The column that holds each of the four."""
    at_least: Annotated[int, Field(ge=0, le=4)] = 0
    """How many of them must be known; asking for all four leaves sales with hardly any leads."""
    not_known: Listed = ("no", "false", "0", "none", "unknown")
    """Values that do not count as an answer."""

    @field_validator("fields")
    @classmethod
    def _in_the_usual_order(cls, fields: dict[Need, Name]) -> dict[Need, Name]:
        # A definition that was stored with a model must give the same sentences as its file did,
        # and JSON with sorted keys forgets in which order they stood.
        return {need: fields[need] for need in get_args(Need) if need in fields}

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
    """The hand-over gate: which leads go to sales. Every threshold that is given must be met; if
    none is, the policy of the growth stage applies."""

    probability: Share | None = None
    """Hand over leads with this probability or more."""
    points: Points | None = None
    """Hand over leads with this many points or more."""
    cost_to_work: Annotated[float, Field(gt=0)] | None = None
    """What it costs sales to work one lead."""
    deal_value: Annotated[float, Field(gt=0)] | None = None
    """What a won deal is worth, in the same currency."""
    capacity_per_week: Annotated[int, Field(ge=1)] | None = None
    """How many leads sales can work in a week: the best of those scored together, taken as one
    week's leads."""
    sources: Listed = ()
    """Hand over leads from these sources only, and who asks for sales; if none is given, from
    all."""
    refused_sources: Listed = ()
    """Never hand over leads from these sources, such as purchased and syndicated lists, not even
    as part of the exploration sample."""
    consent: Annotated[Listed, Field(min_length=1)] = CONSENT_VALUES
    """Values of the consent column that allow contact."""
    nurture_from: Share | None = None
    """A lead that is not handed over is nurtured from this probability of being won within
    winnable_days; expected_conversion if not given."""
    discard_below: Annotated[float, Field(ge=0, lt=1)] | None = None
    """A lead that is not handed over is discarded below this probability of being won within
    winnable_days; a tenth of expected_conversion if not given."""
    always_work_share: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """The exploration sample: a random share of leads that sales works whatever their score, also
    of acceptable customers, so that the history is not limited to leads that scored well."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.cost_to_work is None) != (self.deal_value is None):
            raise ValueError("cost_to_work and deal_value only work together; give both or neither")
        for source in self.refused_sources:
            if source.casefold() in {wanted.casefold() for wanted in self.sources}:
                raise ValueError(
                    f"{source!r} is listed under sources and under refused_sources; keep it in one"
                    " of them"
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
                f" ({self.nurture_from:g}); swap them"
            )
        return self


class Grades(DefinitionPart):
    """Grades from hot to cold: how the odds of being won compare with the base rate, and what the
    company calls each grade."""

    relative_to: Literal["base", "gate"] = "base"
    """What the odds are compared with: the average lead ("base"), or a lead that just passes the
    gate ("gate")."""
    hot: Annotated[float, Field(gt=0)] = 2.0
    """Hot from this odds ratio on."""
    warm: Annotated[float, Field(gt=0)] = 1.0
    """Warm from this odds ratio on."""
    cool: Annotated[float, Field(gt=0)] = 0.5
    """Cool from this odds ratio on; cold below."""
    while_thin: Literal["lead", "source"] = "lead"
    """By what a lead is graded while the history is so thin that the scorecard has most of the
    weight: by its own odds ("lead"), or by what its source converts ("source")."""
    labels: dict[Grade, Name] = Field(default_factory=dict)
    """The company's own words for the grades."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.hot > self.warm > self.cool:
            raise ValueError(
                f"hot ({self.hot:g}), warm ({self.warm:g}) and cool ({self.cool:g}) must"
                " decrease in this order"
            )
        return self


class Junk(DefinitionPart):
    """Junk: records that are not leads at all. The lists add to those that are built in."""

    off: bool = False
    """Switch the junk check off."""
    name: Listed = ()
    """Columns with a person's name; found by their names if not given."""
    email: Listed = ()
    """Columns with an e-mail address; found by their names if not given."""
    phone: Listed = ()
    """Columns with a telephone number; found by their names if not given."""
    names: Listed = ()
    """More made-up names."""
    email_domains: Listed = ()
    """More domains of disposable e-mail addresses."""
    phones: Listed = ()
    """More telephone numbers that cannot exist."""
    rule: tuple[CaseOrCondition, ...] = ()
    """More cases of junk; any one of them is enough."""


class Feedback(DefinitionPart):
    """The reasons for rejecting a lead that the inbox offers to sales. A rejection is an opinion,
    not an outcome: it never counts as lost."""

    reasons: Listed = (
        "No need",
        "No budget",
        "Not the right time",
        "Not the right person",
        "Nobody answers",
    )
    """Reasons that concern this lead at this time."""
    unacceptable: Listed = ("Not a customer that we want",)
    """Reasons that concern the kind of customer; `winnable suggest` looks for what such leads have
    in common."""
    junk: Listed = ("Not a real person",)
    """Reasons that mean junk; `winnable suggest` looks at these as well."""

    @property
    def every(self) -> tuple[str, ...]:
        """All reasons, in the order in which they are offered."""
        return (*self.reasons, *self.unacceptable, *self.junk)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        repeated = _repeated(self.every)
        if repeated is not None:
            raise ValueError(f"the reason {repeated!r} is listed twice; keep it in one place")
        return self


class Retention(DefinitionPart):
    """How long scores and leads are kept in the feedback store; without limit if nothing is given.
    `winnable feedback retain` applies it."""

    scores_months: Annotated[int, Field(ge=1)] | None = None
    """Scores older than this are thinned to one a month for each lead."""
    leads_months: Annotated[int, Field(ge=1)] | None = None
    """Leads that were neither scored nor answered for this long are erased, as closed leads are."""


class History(DefinitionPart):
    """The columns of the field history (the table of changes); found by their names if not
    given."""

    lead: Name | None = None
    """Column with the lead's id."""
    at: Name | None = None
    """Column with the time of the change."""
    field: Name | None = None
    """Column with the name of the field that changed."""
    old: Name | None = None
    """Column with the value before."""
    new: Name | None = None
    """Column with the value after."""
    recorded: Name | None = None
    """Column with the time at which the change was recorded, if that may be later."""


class Definition(DefinitionPart):
    """The definition of a qualified lead that marketing and sales agreed on.

    It says when a lead counts as won, which CRM column plays which role, which points a lead gets
    and which leads are handed to sales. It is usually read from a `definition.toml`; a mapping of
    the same shape will do: `Definition.model_validate(mapping)`. Instances are frozen and can be
    compared. Everything but `outcome` and `columns` has a default.

    Attributes
    ----------
    name : str
        What the definition is called.
    version : str
        Its version, as the teams count.
    agreed_by : tuple of str
        Who agreed on it.
    growth_stage : {"seed", "growth", "mature"}
        The policy of the gate where it gives no threshold.
    outcome : Outcome
        Statuses that mean won and lost, and the horizons in days.
    columns : Columns
        The CRM columns by role.
    stages : dict of str to Stage
        The company's words and statuses for the standard stages.
    profile : Profile
        Ideal customer, buyer personas and customers that are not wanted.
    activities : Activities
        Kinds of activity that show intent or interest.
    history : History
        The columns of the field history.
    scorecard : tuple of Scorecard
        Points by rule, one scorecard for each segment.
    bant : Bant
        Where budget, authority, need and timeframe are recorded.
    gate : Gate
        Which leads are handed to sales.
    grades : Grades
        Hot to cold, by odds ratio.
    grid : Grid, optional
        Fit and engagement apart, A1 to D4.
    junk : Junk
        What is not a lead at all.
    feedback : Feedback
        The reasons for rejecting a lead.
    returns : Returns
        When leads may come back to sales that were rejected, lost or won.
    retention : Retention
        How long scores and leads are kept.

    Raises
    ------
    pydantic.ValidationError
        From the constructor and `model_validate`, where the mapping has an unknown key, a wrong
        value or contradicts itself. The functions of `winnable` raise `DefinitionError` instead.

    Examples
    --------
    >>> from winnable import Definition
    >>> definition = Definition.model_validate(
    ...     {
    ...         "outcome": {"won": ["Closed Won"], "lost": ["Closed Lost"]},
    ...         "columns": {"status": "Stage", "created": "Created Date"},
    ...     }
    ... )
    >>> definition.outcome.horizon_days
    90
    >>> definition.gate.always_work_share
    0.03
    """

    # The JSON schema describes the file, not the class.
    model_config = ConfigDict(
        json_schema_extra={"description": "The definition, as marketing and sales agreed on it."}
    )

    name: Name = "Our qualified lead"
    """What the definition is called."""
    version: Annotated[Name, BeforeValidator(str)] = "1"
    """Its version."""
    agreed_by: Listed = ()
    """Who agreed on it."""
    growth_stage: Literal["seed", "growth", "mature"] = "growth"
    """Seed: nearly everyone who asked for contact is handed over. Growth: leads that are engaged
    and fit. Mature: only the best."""
    outcome: Outcome
    columns: Columns
    stages: dict[StageName, Stage] = Field(default_factory=dict)
    """The standard stages of a lead in the company's words."""
    profile: Profile = Profile()
    activities: Activities = Activities()
    history: History = History()
    scorecard: tuple[Scorecard, ...] = ()
    """One for each segment; the first whose segment fits is used."""
    bant: Bant = Bant()
    gate: Gate = Gate()
    grades: Grades = Grades()
    grid: Grid | None = None
    """Fit and engagement apart, A1 to D4; leads have no grid without this table."""
    junk: Junk = Junk()
    feedback: Feedback = Feedback()
    returns: Returns = Returns()
    retention: Retention = Retention()

    @model_validator(mode="before")
    @classmethod
    def _status_from_conditions(cls, data: Any) -> Any:
        """Where conditions tell the outcome, the status is the column that reading derives."""
        if not isinstance(data, Mapping):
            return data
        outcome = data.get("outcome")
        columns = data.get("columns")
        if not (isinstance(outcome, Mapping) and isinstance(columns, Mapping)):
            return data
        if not has_conditions(outcome.get("won")):
            return data
        return {**data, "columns": {"status": STATUS, **columns}}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for condition in self.conditions():
            for activity in condition.asked_activities:
                if activity in {"intent", "interest", "hand_raise"} and not self.activities.kinds(
                    activity
                ):
                    raise ValueError(
                        f"a condition asks for {activity}, but [activities] lists no kind under"
                        f" {activity}; list some there"
                    )
        self._check_comparisons()
        self._check_status()
        if self.columns.closed == self.columns.status and self.outcome.won != (ANYTHING,):
            raise ValueError(
                f"{self.columns.status!r} cannot be both status and closed, unless won ="
                f" [{ANYTHING!r}]; each of the two needs a column of its own"
            )
        repeated = _repeated(card.name for card in self.scorecard)
        if repeated is not None:
            raise ValueError(f"two scorecards are called {repeated!r}; give each its own name")
        if self.grades.while_thin == "source" and self.columns.source_name is None:
            raise ValueError(
                "grades, while_thin: leads cannot be graded by source, because [columns] names"
                " no source column; name it, or take the last marketing touch (missing_source ="
                ' "last touch")'
            )
        self._check_stages()
        self._check_returns()
        return self

    def _check_comparisons(self) -> None:
        for condition in self.conditions_at_scoring():
            told = self.untold_until_the_end.intersection(condition.columns)
            if len(condition.columns) > 1 and told:
                raise ValueError(
                    f"a condition compares {' with '.join(map(repr, condition.columns))}, but"
                    f" {min(told)!r} tells how a lead ended, which no score may know; compare"
                    " with another column"
                )

    @property
    def untold_until_the_end(self) -> frozenset[str]:
        """The columns that tell how and when a lead ended, which no feature may tell of."""
        return self.outcome_columns | self.columns.dates_of_the_end

    def _check_status(self) -> None:
        if not self.outcome.won_if:
            return
        if self.columns.status != STATUS:
            raise ValueError(
                f"columns, status: [outcome] tells won and lost by conditions, so the status column"
                f" {self.columns.status!r} would not be read; leave status out, or list its values"
                " under won and lost"
            )
        staged = next((name for name, stage in self.stages.items() if stage.status), None)
        if staged is not None:
            raise ValueError(
                f"stages, {staged}, status: [outcome] tells won and lost by conditions, so no"
                " status column is read; leave status out, or list statuses under won and lost"
            )

    def _check_returns(self) -> None:
        for reason in self.returns.rejected:
            if reason not in self.feedback.every:
                similar = nearest(reason, self.feedback.every)
                hint = f"they are {', '.join(self.feedback.every) or 'none'}"
                if similar is not None:
                    hint = f"did you mean {similar!r}?"
                raise ValueError(
                    f"returns, rejected: {reason!r} is not one of the reasons of [feedback]; {hint}"
                )

    def _check_stages(self) -> None:
        stage_of: dict[str, str] = {
            **dict.fromkeys(self.outcome.won, "won"),
            **dict.fromkeys(self.outcome.lost, "lost"),
        }
        for name, stage in self.stages.items():
            for status in stage.status:
                if name in OUTCOME_STAGES and stage_of.get(status) != name:
                    raise ValueError(
                        f"the stage {name} has the status {status!r}, which [outcome] does not list"
                        f" under {name}; add it there"
                    )
                if stage_of.setdefault(status, name) != name:
                    raise ValueError(
                        f"the status {status!r} means both {name} and {stage_of[status]}; keep it"
                        " in one of them"
                    )

    def conditions(self) -> Iterator[Condition]:
        """Every condition on a field or an activity that is written anywhere in the definition,
        alone or among others."""
        yield from self.conditions_at_scoring()
        for returning in self.returns.rules():
            for condition in returning.when:
                yield from condition.leaves()

    def conditions_at_scoring(self) -> Iterator[Condition]:
        """The conditions on fields and activities that every score asks, in the order of the file.
        Those of returns count activities since an answer, which no score knows."""
        for condition in self._written_for_scoring():
            yield from condition.leaves()

    def _written_for_scoring(self) -> Iterator[Condition]:
        yield from self.profile.ideal
        for persona in self.profile.personas.values():
            yield from persona
        profile = self.profile
        for case in (*profile.acceptable, *profile.unacceptable, *self.junk.rule):
            yield from case.when
        for card in self.scorecard:
            yield from card.segment
            for rule in card.rule:
                yield from rule.when

    def return_rule(self, label: str, reason: str | None = None) -> ReturnRule:
        """When a lead may come back to sales after an answer: the rule that is written, else the
        default.

        Parameters
        ----------
        label : str
            The answer: "rejected", "lost", "won" or "junk".
        reason : str, optional
            Why it was rejected.

        Returns
        -------
        ReturnRule
            "never", or after how many days and on which conditions.

        Examples
        --------
        >>> from winnable import Definition
        >>> columns = {"status": "Stage"}
        >>> definition = Definition.model_validate({"outcome": {"won": "Won"}, "columns": columns})
        >>> str(definition.return_rule("rejected", "Not the right time"))
        'after 90 days, with any activity since'
        >>> str(definition.return_rule("junk"))
        'never'
        """
        unwanted = (*self.feedback.unacceptable, *self.feedback.junk)
        written = {"lost": self.returns.lost, "won": self.returns.won}.get(label)
        if label == "rejected":
            written = self.returns.rejected.get(reason or "")
        if written is not None:
            return written
        if label not in {"rejected", "lost", "won"} or reason in unwanted:
            return ReturnRule(never=True)
        activity = "intent" if self.activities.intent else "any"
        return ReturnRule(after_days=DEFAULT_DAYS, when=(Condition(activity=activity),))

    @property
    def outcome_columns(self) -> frozenset[str]:
        """The columns that tell won from lost, which no model may learn from: the status, or those
        of the conditions."""
        return frozenset({self.columns.status, *self.outcome.fields})

    @property
    def requires_ideal(self) -> bool:
        """Whether the gate asks for ideal customers: where it is said who they are, except at the
        seed stage."""
        return bool(self.profile.ideal) and self.growth_stage != "seed"

    def engagement(self) -> ActivityAggregate | None:
        """The activities that the growth stage requires: a raised hand, else intent (seed), any
        engagement (growth), or none (mature)."""
        intent = self.activities.intent
        if self.growth_stage == "seed" and self.activities.hand_raise:
            return self.hand_raises()
        kinds_by_stage = {"seed": intent, "growth": intent + self.activities.interest, "mature": ()}
        kinds = kinds_by_stage[self.growth_stage]
        return ActivityAggregate("count", kinds) if kinds else None

    def hand_raises(self) -> ActivityAggregate | None:
        """The activities by which leads ask for sales themselves, as long as they are heard; None
        where nobody said which."""
        kinds = self.activities.hand_raise
        days = self.activities.hand_raise_days
        return ActivityAggregate("count", kinds, days) if kinds else None

    def aggregates(self) -> tuple[ActivityAggregate, ...]:
        """Every activity aggregate that the gate, a condition or a decaying rule needs, each
        once."""
        needed = [
            self.engagement(),
            self.hand_raises(),
            *(condition.aggregate(self.activities) for condition in self.conditions_at_scoring()),
        ]
        for card in self.scorecard:
            for rule in card.rule:
                if rule.half_life_days is not None:
                    ages = (age for each in rule.when for age in each.ages(self.activities))
                    needed += [age for age in ages if isinstance(age, ActivityAggregate)]
        return tuple(dict.fromkeys(aggregate for aggregate in needed if aggregate is not None))

    def properties(self) -> tuple[str, ...]:
        """Every property of activities that a score asks, each once."""
        conditions = self.conditions_at_scoring()
        return tuple(dict.fromkeys(name for each in conditions for name in each.properties))

    def fields(self) -> tuple[str, ...]:
        """Every column of a lead that the definition reads (in conditions, for BANT, consent,
        sources and junk), each once."""
        read: list[str | None] = []
        for condition in self.conditions():
            read += condition.columns
        read += [
            *self.bant.fields.values(),
            self.columns.consent,
            *self.junk.name,
            *self.junk.email,
            *self.junk.phone,
        ]
        graded = self.grades.while_thin == "source"
        if self.gate.sources or self.gate.refused_sources or graded:
            read.append(self.columns.source_name)
        return tuple(dict.fromkeys(field for field in read if field is not None))
