"""The draft of a definition as a TOML file, with the reason for every guess beside it, for people
to read, correct and sign.

What is guessed, and from what, is decided in `infer`.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from winnable.core.columns import CategoricalColumn, FeatureTable
from winnable.core.files import whole_file
from winnable.core.text import counted
from winnable.data.analysis.value_conversion import ConversionByValue
from winnable.data.autodetect.infer import SETTLED_ROLES, Guesses, allowing
from winnable.data.autodetect.lexicon import asks_for_sales, bant_of
from winnable.data.ingestion.parsing import parse_moments, parse_numbers
from winnable.definition.conditions import Condition
from winnable.definition.decide.junk import contact_columns, find_junk
from winnable.definition.load import definition_from
from winnable.definition.outcome import ANYTHING
from winnable.definition.schema import Definition, Junk
from winnable.errors import StoreError

HORIZONS_DAYS = (30, 60, 90, 120, 180, 365, 730)
"""The horizons to choose from, in days."""

HORIZON_QUANTILE = 0.8
"""The share of wins that should fall within the horizon."""

MIN_DATED_WINS = 10
"""Wins with both dates needed to choose a horizon."""

MAX_NUMBER_SHARE = 0.5
"""A column with more numbers than that has no kinds of customers."""

MAX_LISTED_VALUES = 8
"""Values that a comment lists before it says how many more there are."""


def draft(guesses: Guesses) -> str:
    """The definition file in TOML, which is checked to load."""
    lines = [
        *_opening(guesses),
        *_outcome(guesses),
        *_columns(guesses),
        *_stages(guesses),
        *_profile(guesses),
        *_activities(guesses),
        *_bant(guesses),
        *_gate(guesses),
        *_junk(guesses),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    definition_from(tomllib.loads(text), f"the definition guessed from {guesses.source}")
    return text


def write_draft(text: str, path: Path, *, force: bool = False) -> None:
    """Write the file, whole or not at all; StoreError where it exists already (unless `force`) or
    cannot be written."""
    if path.is_file() and not force:
        raise StoreError(
            f"{path}: the file already exists; name another with --output, or replace it with"
            " --force."
        )
    with whole_file(path) as file:
        file.write(text)


def _opening(guesses: Guesses) -> Iterator[str]:
    origin = "from an unknown CRM"
    if guesses.vendor is not None:
        origin = f"exported from {guesses.vendor.name}"
    yield (
        f"# A first definition, inferred from {_one_line(guesses.source)}: {len(guesses.leads):,}"
        f" leads, {origin}."
    )
    yield (
        "# Every line is a guess, with the reason for it. Correct what is wrong, agree on the rest,"
        " and sign it under agreed_by."
    )
    yield ""
    yield f"name = {_text('Qualified lead')}"
    yield 'version = "1"'
    yield "agreed_by = []                          # who agreed: marketing and sales"
    yield (
        'growth_stage = "growth"                 # seed: nearly everyone is handed over; growth;'
        " mature: only the best"
    )
    yield ""


def _outcome(guesses: Guesses) -> Iterator[str]:
    outcome = guesses.outcome
    won = int(guesses.won.sum())
    no_lost = "no value means lost: a lead counts as not won when its horizon has passed"
    yield "[outcome]"
    if outcome.won_if:
        yield from _conditions(guesses, no_lost)
    elif outcome.won == (ANYTHING,):
        yield f'won = ["{ANYTHING}"]   # {won:,} leads: {_one_line(outcome.status.reason)}'
        yield f"lost = []    # {no_lost}"
    else:
        yield f"won = {_list(outcome.won)}   # {_counts(outcome.won, outcome.counts)}"
        comment = _counts(outcome.lost, outcome.counts) if outcome.lost else no_lost
        yield f"lost = {_list(outcome.lost)}   # {comment}"
        others = [value for value in outcome.counts if value not in (*outcome.won, *outcome.lost)]
        if others:
            yield f"# Still open: {_counts(others, outcome.counts)}"
    yield from (f"# {_one_line(other)}." for other in outcome.others)
    yield from (f"# {_one_line(text)}." for text in outcome.silent)
    yield from (f"# Nobody is called lost, but {_one_line(hint)}." for hint in outcome.hints)
    yield from _horizons(guesses)
    base = int((guesses.won | guesses.lost).sum()) if outcome.lost else len(guesses.leads)
    if 0 < won < base:
        of = "won or lost leads" if outcome.lost else "leads"
        share = min(max(won / base, 0.001), 0.999)
        yield (
            f"expected_conversion = {share:.3g}   # {won:,} of {base:,} {of} in this export"
            " were won"
        )
    else:
        yield (
            "expected_conversion = 0.1   # this export does not tell; a usual figure for qualified"
            " leads"
        )
    yield ""


def _conditions(guesses: Guesses, no_lost: str) -> Iterator[str]:
    """Won and lost by conditions on several columns, all of which must hold."""
    outcome = guesses.outcome
    reason = _one_line(outcome.status.reason).removeprefix("by ")
    yield f"# Told by conditions, all of which must hold: {reason}."
    for key, conditions, leads in (
        ("won", outcome.won_if, guesses.won),
        ("lost", outcome.lost_if, guesses.lost),
    ):
        if not conditions:
            yield f"{key} = []    # {no_lost}"
            continue
        yield f"{key} = [   # {counted(int(leads.sum()), 'lead')}"
        yield from (f"  {_condition(condition)}," for condition in conditions)
        yield "]"
    yield f"# Still open: {counted(int((~guesses.won & ~guesses.lost).sum()), 'lead')}"


def _condition(condition: Condition) -> str:
    """A condition on a field as a TOML table on one line."""
    tests = condition.model_dump(exclude_defaults=True, exclude={"field"})
    written = [f"field = {_text(str(condition.field))}"]
    for name, value in tests.items():
        words = _list(value) if isinstance(value, tuple) else json.dumps(value)
        written.append(f"{name} = {words}")
    return f"{{ {', '.join(written)} }}"


def _horizons(guesses: Guesses) -> Iterator[str]:
    """The shortest usual horizon within which 80% of the wins came."""
    if not {"created", "closed"} <= guesses.roles.keys():
        return
    created, closed = (
        parse_moments(guesses.leads[guesses.roles[role].column])[guesses.won]
        for role in ("created", "closed")
    )
    days = ((closed - created).dt.total_seconds() / 86_400).dropna()
    days = days[days >= 0]
    if len(days) < MIN_DATED_WINS:
        return
    needed = float(np.quantile(days, HORIZON_QUANTILE))
    long_enough = [horizon for horizon in HORIZONS_DAYS if needed <= horizon]
    horizon = long_enough[0] if long_enough else HORIZONS_DAYS[-1]
    share = f"{100 * HORIZON_QUANTILE:.0f}%"
    yield f"horizon_days = {horizon}   # {share} of the wins came within {needed:.0f} days"
    yield f"winnable_days = {max(365, horizon)}"


def _columns(guesses: Guesses) -> Iterator[str]:
    yield "[columns]"
    for role in SETTLED_ROLES:
        yield from _role(guesses, role)
    status = guesses.outcome.status
    if guesses.outcome.won_if:
        yield "# status: left out, because the conditions in [outcome] tell it"
    else:
        yield f"status = {_text(status.column)}   # {_one_line(status.reason)}"
    for role in ("account", "source", "owner", "consent"):
        yield from _role(guesses, role)
    if "amount" in guesses.roles:
        column = _one_line(guesses.roles["amount"].column)
        yield f"# amount: '{column}'; there is no such role, so it is a column like others."
    if guesses.stages:
        names = ", ".join(_one_line(name) for name in guesses.stages)
        yield (
            "# Not columns but the history of the status (list them under ignore to leave them"
            f" out): {names}"
        )
    if guesses.fixed:
        yield "# Usually known at creation and not changed after; remove those that change later."
        yield f"fixed = {_list(guesses.fixed)}"
    if guesses.untracked:
        names = ", ".join(_one_line(name) for name in guesses.untracked)
        yield (
            "# The field history has no changes of these, so models do not use them unless they are"
            f" listed as fixed: {names}"
        )
    if guesses.ignore:
        yield (
            "# Models do not use these; remove those that are known before the outcome and not"
            " changed by it."
        )
        yield "ignore = ["
        yield from (
            f"  {_text(name)},   # {_one_line(why)}" for name, why in guesses.ignore.items()
        )
        yield "]"
    yield ""


_WITHOUT = {
    "id": "the row number is the id, and activities cannot be matched to leads",
    "created": "leads have no date, so there is no horizon",
    "closed": "the outcome has no date, so there is no horizon",
}
"""What follows where a role has no column."""


def _role(guesses: Guesses, role: str) -> Iterator[str]:
    if role in guesses.roles:
        found = guesses.roles[role]
        yield f"{role} = {_text(found.column)}   # {_one_line(found.reason)}"
        return
    if role in _WITHOUT:
        yield f"# {role}: no column found; {_WITHOUT[role]}"
    yield from (f"# {role}: {_one_line(why)}" for why in guesses.dropped.get(role, ()))


def _stages(guesses: Guesses) -> Iterator[str]:
    if not guesses.outcome.stages:
        return
    yield (
        '[stages]   # open statuses by their usual meaning; add label = "..." for your own words'
    )
    for stage in ("MAL", "MIL", "MQL", "SAL", "SQL", "opportunity"):
        if stage in guesses.outcome.stages:
            yield f"{stage} = {{ status = {_list(guesses.outcome.stages[stage])} }}"
    yield ""


def _activities(guesses: Guesses) -> Iterator[str]:
    kinds = guesses.kinds
    if kinds is None:
        return
    yield "[activities]   # by their names; intent is what people do who want to buy"
    for name, found in (("intent", kinds.intent), ("interest", kinds.interest)):
        if found:
            yield f"{name} = {_list(found)}   # {_counts(found, found)}"
    asking = [kind for kind in kinds.intent if asks_for_sales(kind)]
    if asking:
        yield (
            f"# hand_raise = {_list(asking)}   # by their names people ask for sales with these"
            f" ({_counts(asking, kinds.intent)}); with this line they are heard"
        )
    if kinds.neither:
        yield f"# Neither by name, but used all the same: {_counts(kinds.neither, kinds.neither)}"
    if guesses.visitor is not None:
        yield (
            f"visitor = {_text(guesses.visitor)}   # a visitor's rows without a lead count for the"
            " lead that the visitor turns out to be"
        )
    yield ""


def _bant(guesses: Guesses) -> Iterator[str]:
    needs = {name: bant_of(name) for name in reversed(guesses.leads.columns)}
    fields = {need: name for name, need in needs.items() if need is not None}
    if len(fields) >= 2:
        inner = ", ".join(f"{need} = {_text(name)}" for need, name in sorted(fields.items()))
        yield "[bant]"
        yield f"fields = {{ {inner} }}"
        yield (
            "at_least = 0   # how many of them must be known before a lead is handed over, at most"
            f" {len(fields)}"
        )
        yield ""


def _gate(guesses: Guesses) -> Iterator[str]:
    lines = [*_consent(guesses), *_refused_sources(guesses)]
    if lines:
        yield "[gate]"
        yield from lines
        yield ""


def _consent(guesses: Guesses) -> Iterator[str]:
    if "consent" in guesses.roles:
        allowed = allowing(guesses.leads[guesses.roles["consent"].column])
        if allowed:
            column = _one_line(guesses.roles["consent"].column)
            yield f"consent = {_list(allowed)}   # values of '{column}' that allow contact"


def _refused_sources(guesses: Guesses) -> Iterator[str]:
    """Sources that convert significantly worse than half the usual odds, for people to refuse."""
    if "source" not in guesses.roles:
        return
    found = _conversion(guesses, guesses.roles["source"].column)
    poor = found.poor()
    if poor:
        why = _one_line(found.below_half_the_odds(poor))
        yield f"# refused_sources = {_list(poor)}   # {why}"


def _profile(guesses: Guesses) -> Iterator[str]:
    """Kinds of customers that convert significantly better than usual, or worse than half the usual
    odds, for people to want or refuse; by the columns that are known at creation."""
    proposed: dict[str, list[str]] = {"ideal": [], "unacceptable": []}
    reasons = []
    source = guesses.roles.get("source")
    for column in guesses.fixed:
        is_source = source is not None and column == source.column
        if is_source or parse_numbers(guesses.leads[column]).notna().mean() > MAX_NUMBER_SHARE:
            continue
        found = _conversion(guesses, column)
        good = found.good()
        poor = found.poor()
        for key, values in (("ideal", good), ("unacceptable", poor)):
            if values:
                field = f"field = {_text(column)}, any_of = {_list(values)}"
                proposed[key].append(f"{{ {field} }}")
        told = [found.above_usual(good)] if good else []
        told += [found.below_half_the_odds(poor)] if poor else []
        reasons += [f"#   {_one_line(f'{column}: {why}')}" for why in told]
    if reasons:
        yield "[profile]   # proposed from how leads ended; keep what makes sense to both teams"
        yield from (f"# {key} = [{', '.join(what)}]" for key, what in proposed.items() if what)
        yield from reasons
        yield ""


def _conversion(guesses: Guesses, column: str) -> ConversionByValue:
    """By the leads that were won or lost; by all where no value means lost."""
    won = guesses.won
    if guesses.outcome.lost:
        won = won[guesses.won | guesses.lost]
    return ConversionByValue.of(guesses.leads[column], won)


def _junk(guesses: Guesses) -> Iterator[str]:
    """The columns with names, e-mail addresses and telephone numbers, and how much junk there
    is."""
    contact = contact_columns(Junk(), guesses.leads.columns)
    if not contact.every:
        return
    known = {
        name: guesses.leads[name].astype(object).where(guesses.leads[name].notna(), None)
        for name in contact.every
    }
    columns = {name: CategoricalColumn.of(values.to_list()) for name, values in known.items()}
    probe = Definition.model_validate(
        {"outcome": {"won": ["won"]}, "columns": {"status": "status"}}
    )
    found = find_junk(probe, FeatureTable(len(guesses.leads), columns))
    yield (
        "[junk]   # made-up names, disposable addresses and impossible numbers are built in; add"
        " your own names and domains"
    )
    for name, recognized in (
        ("name", contact.name),
        ("email", contact.email),
        ("phone", contact.phone),
    ):
        if recognized:
            yield f"{name} = {_list(recognized)}"
    counts = {why: int((found.codes == code).sum()) for code, why in enumerate(found.vocabulary)}
    summary = "; ".join(f"{count:,} where {why}" for why, count in counts.items() if count)
    yield f"# In this export: {summary or 'no junk'}"
    yield ""


def _counts(values: Iterable[str], counts: Mapping[str, int]) -> str:
    """The first values with their counts: 'Won (12), Sold (3)'."""
    parts = [f"{_one_line(value)} ({counts.get(value, 0):,})" for value in values]
    more = len(parts) - MAX_LISTED_VALUES
    return ", ".join(parts[:MAX_LISTED_VALUES]) + (f" and {more:,} more" if more > 0 else "")


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: str) -> str:
    """The value as a TOML string, which is a JSON string with one more character escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(words: str) -> str:
    """Words of the export on one line, so that they cannot end a comment."""
    printable = (character if character.isprintable() else " " for character in words)
    return " ".join("".join(printable).split())
