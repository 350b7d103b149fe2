"""A guessed definition as a file: TOML with the reason of every guess beside it, for people to
read, correct and sign.

What is guessed, and from what, is decided in `guessing`.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from winnable.core.columns import CategoricalColumn, FeatureTable
from winnable.core.files import whole_file
from winnable.data.autodetect.infer import Guesses, allowing
from winnable.data.autodetect.lexicon import bant_of
from winnable.data.ingestion.parsing import parse_moments
from winnable.definition.decide.junk import contact_columns, find_junk
from winnable.definition.load import definition_from
from winnable.definition.schema import ANYTHING, Definition, Junk
from winnable.errors import StoreError

HORIZONS = (30, 60, 90, 120, 180, 365, 730)
"""Days that a horizon is chosen from."""


def draft(guesses: Guesses) -> str:
    """The definition file in TOML; it is checked to be a definition that can be loaded."""
    lines = [
        *_opening(guesses),
        *_outcome(guesses),
        *_columns(guesses),
        *_stages(guesses),
        *_activities(guesses),
        *_bant(guesses),
        *_gate(guesses),
        *_junk(guesses),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    definition_from(tomllib.loads(text), f"the definition guessed from {guesses.source}")
    return text


def write_draft(text: str, path: Path, *, force: bool = False) -> None:
    """Write the file, whole or not at all; StoreError where there is one already (unless `force`)
    or it cannot be written."""
    if path.exists() and not force:
        raise StoreError(
            f"{path}: there is a file already; name another with --output, or replace it with"
            " --force."
        )
    with whole_file(path) as file:
        file.write(text)


def _opening(guesses: Guesses) -> Iterator[str]:
    seen = f"an export of {guesses.vendor.name}" if guesses.vendor else "of no vendor that is known"
    yield (
        f"# A first definition, guessed from {_one_line(guesses.source)}: {len(guesses.leads):,}"
        f" leads, {seen}."
    )
    yield (
        "# Every line is a guess with its reason. Correct what is wrong, agree on the rest, and"
        " sign it under agreed_by."
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
    outcome, won, resolved = (
        guesses.outcome,
        int(guesses.won.sum()),
        int((guesses.won | guesses.lost).sum()),
    )
    none = "no value says lost: a lead counts as not won when its horizon has passed"
    yield "[outcome]"
    if outcome.won == (ANYTHING,):
        yield f'won = ["{ANYTHING}"]   # {won:,} leads: {_one_line(outcome.status.reason)}'
        yield f"lost = []    # {none}"
    else:
        yield f"won = {_list(outcome.won)}   # {_counts(outcome.won, outcome.counts)}"
        yield (
            f"lost = {_list(outcome.lost)}   #"
            f" {_counts(outcome.lost, outcome.counts) if outcome.lost else none}"
        )
        others = [value for value in outcome.counts if value not in (*outcome.won, *outcome.lost)]
        if others:
            yield f"# Still open: {_counts(others, outcome.counts)}"
    yield from _horizons(guesses)
    base = len(guesses.leads) if not outcome.lost else resolved
    if 0 < won < base:
        of = "leads" if not outcome.lost else "won or lost leads"
        share = min(max(won / base, 0.001), 0.999)
        yield (
            f"expected_conversion = {share:.3g}   # {won:,} of {base:,} {of} in this export"
            " were won"
        )
    else:
        yield (
            "expected_conversion = 0.1   # nothing in this export tells; the field's usual figure"
            " for qualified leads"
        )
    yield ""


def _horizons(guesses: Guesses) -> Iterator[str]:
    """The shortest usual horizon in which four of five wins came."""
    if not {"created", "closed"} <= guesses.roles.keys():
        return
    created, closed = (
        parse_moments(guesses.leads[guesses.roles[role].column])[guesses.won]
        for role in ("created", "closed")
    )
    days = ((closed - created).dt.total_seconds() / 86_400).dropna()
    days = days[days >= 0]
    if len(days) < 10:
        return
    most = float(np.quantile(days, 0.8))
    horizon = next((each for each in HORIZONS if most <= each), HORIZONS[-1])
    yield f"horizon_days = {horizon}   # 80 of 100 wins came within {most:.0f} days"
    yield f"winnable_days = {max(365, horizon)}"


def _columns(guesses: Guesses) -> Iterator[str]:
    yield "[columns]"
    for role in ("id", "person", "created", "closed"):
        yield from _role(guesses, role)
    status = guesses.outcome.status
    yield f"status = {_text(status.column)}   # {_one_line(status.reason)}"
    for role in ("source", "consent"):
        yield from _role(guesses, role)
    if guesses.fixed:
        yield "# Usually known at creation and not changed after; take out what is changed later."
        yield f"fixed = {_list(guesses.fixed)}"
    if guesses.untracked:
        names = ", ".join(_one_line(name) for name in guesses.untracked)
        yield (
            "# The field history has no change of these, so nothing is learned from them unless"
            f" they are fixed: {names}"
        )
    if guesses.ignore:
        yield (
            "# Nothing is learned from these; take out what is known before the end and never"
            " changed by it."
        )
        yield "ignore = ["
        yield from (
            f"  {_text(name)},   # {_one_line(why)}" for name, why in guesses.ignore.items()
        )
        yield "]"
    yield ""


_WITHOUT = {
    "id": "the number of the row is the id, and no activity can be tied to a lead",
    "created": "leads have no time, so no horizon is promised",
    "closed": "the end of a lead has no date, so no horizon is promised",
}


def _role(guesses: Guesses, role: str) -> Iterator[str]:
    if role in guesses.roles:
        yield (
            f"{role} = {_text(guesses.roles[role].column)}   #"
            f" {_one_line(guesses.roles[role].reason)}"
        )
    elif role in _WITHOUT:
        yield f"# {role}: no column looks like it; {_WITHOUT[role]}"


def _stages(guesses: Guesses) -> Iterator[str]:
    if not guesses.outcome.stages:
        return
    yield (
        '[stages]   # open statuses by what their words usually mean; add label = "..." for your'
        " own words"
    )
    for stage in ("MAL", "MIL", "MQL", "SAL", "SQL", "opportunity"):
        if stage in guesses.outcome.stages:
            yield f"{stage} = {{ status = {_list(guesses.outcome.stages[stage])} }}"
    yield ""


def _activities(guesses: Guesses) -> Iterator[str]:
    kinds = guesses.kinds
    if kinds is None:
        return
    yield "[activities]   # by their names; intent is what people do who mean to buy"
    for name, found in (("intent", kinds.intent), ("interest", kinds.interest)):
        if found:
            yield f"{name} = {_list(found)}   # {_counts(found, found)}"
    if kinds.neither:
        yield f"# Neither by name, measured all the same: {_counts(kinds.neither, kinds.neither)}"
    yield ""


def _bant(guesses: Guesses) -> Iterator[str]:
    fields = {
        need: name
        for name in reversed(guesses.leads.columns)
        if (need := bant_of(name)) is not None
    }
    if len(fields) >= 2:
        inner = ", ".join(f"{need} = {_text(name)}" for need, name in sorted(fields.items()))
        yield "[bant]"
        yield f"fields = {{ {inner} }}"
        yield (
            "at_least = 0   # how many of them sales wants to know before it takes a lead over, at"
            f" most {len(fields)}"
        )
        yield ""


def _gate(guesses: Guesses) -> Iterator[str]:
    if "consent" in guesses.roles:
        allowed = allowing(guesses.leads[guesses.roles["consent"].column])
        if allowed:
            yield "[gate]"
            column = _one_line(guesses.roles["consent"].column)
            yield f"consent = {_list(allowed)}   # what '{column}' says where contact is allowed"
            yield ""


def _junk(guesses: Guesses) -> Iterator[str]:
    """Where names, addresses and numbers stand, if the definition would not find them itself, and
    how much junk there is."""
    there = contact_columns(Junk(), guesses.leads.columns)
    if not there.every:
        return
    known = {
        name: guesses.leads[name].astype(object).where(guesses.leads[name].notna(), None)
        for name in there.every
    }
    columns = {name: CategoricalColumn.of(values.to_list()) for name, values in known.items()}
    probe = Definition.model_validate(
        {"outcome": {"won": ["won"]}, "columns": {"status": "status"}}
    )
    found = find_junk(probe, FeatureTable(len(guesses.leads), columns))
    yield (
        "[junk]   # made-up names, throw-away addresses and impossible numbers are known; add your"
        " own names and domains"
    )
    for name, recognised in (("name", there.name), ("email", there.email), ("phone", there.phone)):
        if recognised:
            yield f"{name} = {_list(recognised)}"
    caught = {says: int((found.codes == code).sum()) for code, says in enumerate(found.vocabulary)}
    told = "; ".join(f"{count:,} where {says}" for says, count in caught.items() if count)
    yield f"# In this export: {told or 'no junk'}"
    yield ""


def _counts(values: Iterable[str], counts: Mapping[str, int], most: int = 8) -> str:
    """Values with their numbers, the frequent ones: 'Won (12), Sold (3)'."""
    told = [f"{_one_line(value)} ({counts.get(value, 0):,})" for value in values]
    return ", ".join(told[:most]) + (f" and {len(told) - most:,} more" if len(told) > most else "")


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: str) -> str:
    """The value as a TOML string: JSON's form of a string is one, but for the one character that
    TOML wants escaped besides."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(words: str) -> str:
    """Words of the export that cannot end a comment."""
    return " ".join("".join(each if each.isprintable() else " " for each in words).split())
