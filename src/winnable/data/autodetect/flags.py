"""Columns beside the status that tell won from lost: closed and won, a probability of 0 or 100, an
archived lead with a reason for losing; and stages that mean different things in each pipeline.

What they say of each lead, and the conditions of a definition that say the same. Which of them
tells the outcome is decided in `outcome`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from winnable.core.columns import BoolArray
from winnable.core.text import listed
from winnable.data.autodetect.content import (
    MAX_CATEGORIES,
    MIN_DATE_SHARE,
    dates_share,
    looks_like_dates,
)
from winnable.data.autodetect.glossary import concepts, plain_names
from winnable.data.autodetect.lexicon import (
    NO,
    YES,
    is_done,
    is_service,
    meaning_of_status,
    stage_of_word,
)
from winnable.data.ingestion.parsing import parse_numbers
from winnable.definition.conditions import Condition

MIN_LEADS_PER_WORD = 5
MIN_FLAGGED = 0.95
"""A word is won (lost) by the flags if this share of its leads, and as many of them, are."""

MAX_PIPELINES = 20

_CLOSED = (
    *("isclosed", "closed", "isdealclosed", "hsisclosed", "fermee", "ferme", "cloturee", "cloture"),
    *("estfermee", "geschlossen", "istgeschlossen", "abgeschlossen", "cerrada", "cerrado"),
    *("fechada", "fechado", "chiusa", "chiuso", "gesloten", "afgesloten", "isgesloten"),
    *("zamknieta", "zamkniety", "zamkniete"),
)
_WON = (
    *("iswon", "won", "isclosedwon", "hsisclosedwon", "gagnee", "gagne", "estgagnee", "gewonnen"),
    *("istgewonnen", "ganada", "ganado", "ganha", "ganho", "vinta", "vinto", "isgewonnen"),
    *("wygrana", "wygrany", "wygrane"),
)
_LOST = (
    *("islost", "lost", "isclosedlost", "hsisclosedlost", "perdue", "perdu", "estperdue"),
    *("verloren", "istverloren", "perdida", "perdido", "persa", "perso", "isverloren"),
    *("przegrana", "przegrany", "przegrane"),
)
_PROBABILITY = (
    *("probability", "dealprobability", "hsdealstageprobability", "closeprobability"),
    *("probabilite", "wahrscheinlichkeit", "probabilidad", "probabilidade", "probabilita"),
    *("waarschijnlijkheid", "slagingskans", "prawdopodobienstwo"),
)
_ACTIVE = (
    *("active", "isactive", "actif", "aktiv", "istaktiv", "activo", "activa", "ativo"),
    *("ativa", "attivo", "attiva", "actief", "aktywny", "aktywna"),
)
_REASONS = (
    *("lostreason", "lossreason", "lostreasonid", "reasonlost", "raisondelaperte"),
    *("raisondeperte", "motifdeperte", "motifdelaperte", "verlustgrund", "grundfurverlust"),
    *("grundfurdenverlust", "motivodeperdida", "motivodelaperdida", "razondeperdida"),
    *("motivodaperda", "motivodeperda", "motivodellaperdita", "motivodiperdita", "motivoperdita"),
    *("redenvanverlies", "redenverlies", "verliesreden", "powodprzegranej", "powodutraty"),
)

_PIPELINE = (
    *("pipeline", "dealpipeline", "salespipeline", "pipelinename", "leadpipeline"),
    *("opportunitypipeline", "funnel", "salesfunnel", "salesprocess"),
)

Meaning = Literal["won", "lost"]
Conditions = tuple[Condition, ...]


@dataclass(frozen=True)
class Flag:
    """What columns beside the status say of each lead: `won` and `lost` have shape (leads,), the
    conditions say the same, where it can be said. `of_status` is whether they follow from the
    status, so that they tell what its words mean."""

    label: str
    won: BoolArray
    lost: BoolArray
    of_status: bool = True
    won_if: Conditions = ()
    lost_if: Conditions = ()


@dataclass(frozen=True)
class Truth:
    """A column that holds yes and no and nothing else."""

    column: str
    yes: tuple[str, ...]
    no: tuple[str, ...]

    def condition(self, *, holds: bool) -> Condition:
        """That it holds yes, or no."""
        return Condition(field=self.column, any_of=self.yes if holds else self.no)

    def of(self, data: pd.DataFrame, *, holds: bool) -> BoolArray:
        """Which leads have yes, or no, shape (leads,)."""
        values = data[self.column].isin(self.yes if holds else self.no)
        return values.to_numpy(dtype=bool)


def called(names: Iterable[str], data: pd.DataFrame) -> list[str]:
    """The columns of these plain names, in the order of the names."""
    columns: dict[str, str] = {}
    for rank in (1, 0):
        for name in reversed(data.columns):
            plain = plain_names(str(name))
            columns.update(dict.fromkeys(plain[:1] if rank == 0 else plain[1:], name))
    return list(dict.fromkeys(columns[name] for name in names if name in columns))


def truth_in(column: pd.Series[str]) -> Truth | None:
    """The values of a column that mean yes and no; None where it holds anything else."""
    values = list(column.dropna().unique()) if column.nunique() <= MAX_CATEGORIES else []
    folded = {str(value): str(value).casefold().removesuffix(".0") for value in values}
    yes = tuple(value for value, plain in folded.items() if plain in YES)
    no = tuple(value for value, plain in folded.items() if plain in NO)
    if not yes or not no or len(yes) + len(no) < len(values):
        return None
    return Truth(str(column.name), yes, no)


def find_flags(data: pd.DataFrame) -> Iterator[Flag]:
    """Columns beside the status that say who was won and who was lost."""
    closed, won, lost = (_truth_of(names, data) for names in (_CLOSED, _WON, _LOST))
    if won is not None and closed is not None:
        yield _pair(data, won, closed)
    elif won is not None and lost is not None:
        yield _opposites(data, won, lost)
    elif won is not None:  # who else was lost it does not say
        is_won = won.of(data, holds=True)
        yield Flag(f"'{won.column}'", is_won, np.zeros_like(is_won))
    yield from _by_dates(data)
    yield from _by_probability(data)
    yield from _archived(data)


def _by_dates(data: pd.DataFrame) -> Iterator[Flag]:
    """Two columns of dates, of which only won leads have one and only lost leads the other."""
    winning = _dates_of("won", data)
    losing = _dates_of("lost", data)
    if len(winning) != 1 or len(losing) != 1:
        return
    won = winning[0]
    lost = losing[0]
    is_won = data[won].notna().to_numpy(dtype=bool)
    is_lost = data[lost].notna().to_numpy(dtype=bool)
    if not (is_won & is_lost).any():
        yield Flag(
            f"'{won}' and '{lost}'",
            is_won,
            is_lost,
            of_status=False,
            won_if=(Condition(field=won, is_present=True),),
            lost_if=(Condition(field=lost, is_present=True),),
        )


def _dates_of(meaning: Meaning, data: pd.DataFrame) -> list[str]:
    """The columns that some leads have a date in and whose name says won, or lost."""
    other: Meaning = "lost" if meaning == "won" else "won"
    return [
        str(name)
        for name in data.columns
        if concepts(str(name)) & {meaning, other, "expected", "birth"} == {meaning}
        and 0 < data[name].notna().sum() < len(data)
        and looks_like_dates(data[name])
        and dates_share(data[name]) >= MIN_DATE_SHARE
    ]


def _truth_of(names: Sequence[str], data: pd.DataFrame) -> Truth | None:
    """The first of these columns that holds yes and no."""
    found = (truth_in(data[name]) for name in called(names, data))
    return next((truth for truth in found if truth is not None), None)


def _pair(data: pd.DataFrame, won: Truth, closed: Truth) -> Flag:
    ended = closed.of(data, holds=True)
    is_closed = closed.condition(holds=True)
    return Flag(
        f"'{won.column}' and '{closed.column}'",
        won.of(data, holds=True) & ended,
        won.of(data, holds=False) & ended,
        won_if=(is_closed, won.condition(holds=True)),
        lost_if=(is_closed, won.condition(holds=False)),
    )


def _opposites(data: pd.DataFrame, won: Truth, lost: Truth) -> Flag:
    return Flag(
        f"'{won.column}' and '{lost.column}'",
        won.of(data, holds=True),
        lost.of(data, holds=True),
        won_if=(won.condition(holds=True),),
        lost_if=(lost.condition(holds=True),),
    )


def _by_probability(data: pd.DataFrame) -> Iterator[Flag]:
    """The probability that a CRM derives from the stage; a new lead may have 0, so that it tells
    what words mean but not, alone, who was lost."""
    for name in called(_PROBABILITY, data)[:1]:
        numbers = parse_numbers(data[name]).to_numpy()
        top = 100.0 if np.nanmax(numbers, initial=0.0) > 1 else 1.0
        label = f"'{name}' of 0 or {top:g}{'%' if top > 1 else ''}"
        yield Flag(label, numbers == top, numbers == 0)


def _archived(data: pd.DataFrame) -> Iterator[Flag]:
    """Leads put away with a reason for losing, or with a probability of 0."""
    active = _truth_of(_ACTIVE, data)
    if active is None:
        return
    inactive = active.of(data, holds=False)
    put_away = active.condition(holds=False)
    reasons = called(_REASONS, data)
    chances = called(_PROBABILITY, data)
    if reasons:
        lost = inactive & data[reasons[0]].notna().to_numpy()
        label = f"'{active.column}' no longer with a '{reasons[0]}'"
        why = Condition(field=reasons[0], is_present=True)
    elif chances:
        lost = inactive & (parse_numbers(data[chances[0]]).to_numpy() == 0)
        label = f"'{active.column}' no longer with a '{chances[0]}' of 0"
        why = Condition(field=chances[0], at_most=0)
    else:
        return
    nobody = np.zeros_like(lost)
    yield Flag(label, nobody, lost, of_status=False, lost_if=(put_away, why))


def words_by_flag(
    column: pd.Series[str], meant: Mapping[str, Meaning | None], flag: Flag
) -> dict[str, Meaning | None]:
    """The values without a known meaning whose leads are nearly all won or lost by a flag. A new
    lead may have a probability of 0, too."""
    found: dict[str, Meaning | None] = {}
    for value, meaning in meant.items():
        rows = (column == value).to_numpy(dtype=bool)
        by_flag = _meaning_of_rows(flag, rows) if meaning is None else None
        if by_flag == "won" or (by_flag == "lost" and stage_of_word(value) is None):
            found[value] = by_flag
    return found


def _meaning_of_rows(flag: Flag, rows: BoolArray) -> Meaning | None:
    if rows.sum() < MIN_LEADS_PER_WORD:
        return None
    if flag.won[rows].mean() >= MIN_FLAGGED:
        return "won"
    return "lost" if flag.lost[rows].mean() >= MIN_FLAGGED else None


def by_pipeline(data: pd.DataFrame, stages: Sequence[str], flags: Sequence[Flag]) -> Flag | None:
    """Conditions on a pipeline and a stage, where the same stage means different things in two
    pipelines; None where one column tells it, or where no two lists of values can."""
    for pipeline in called(_PIPELINE, data):
        if not 2 <= data[pipeline].nunique() <= MAX_PIPELINES:
            continue
        for stage in stages:
            if stage != pipeline and data[stage].nunique() <= MAX_CATEGORIES:
                meant = _cells(data, pipeline, stage, [flag for flag in flags if flag.of_status])
                found = _of_cells(data, pipeline, stage, meant)
                if found is not None:
                    return found
    return None


def pipelines_in(data: pd.DataFrame) -> Iterator[tuple[str, BoolArray]]:
    """The pipelines of an export and their leads, shape (leads,); none where there is but one."""
    for column in called(_PIPELINE, data)[:1]:
        if 2 <= data[column].nunique() <= MAX_PIPELINES:
            for name in data[column].dropna().unique():
                if not is_service(str(name)):
                    yield str(name), (data[column] == name).to_numpy(dtype=bool)


def _cells(
    data: pd.DataFrame, pipeline: str, stage: str, flags: Sequence[Flag]
) -> dict[tuple[str, str], Meaning | None]:
    """What each stage of each pipeline means: by the flags, else by its words. In a pipeline of
    service nothing is sold; a stage called done is won where no other of its pipeline is."""
    meant: dict[tuple[str, str], Meaning | None] = {}
    cells = data.groupby([pipeline, stage], sort=False).ngroup().to_numpy()
    for cell in range(int(cells.max(initial=-1)) + 1):
        inside = cells == cell
        first = data.iloc[int(inside.argmax())]
        name = str(first[pipeline])
        word = str(first[stage])
        told = (_meaning_of_rows(flag, inside) for flag in flags)
        meaning = next((meaning for meaning in told if meaning is not None), None)
        if meaning == "lost" and stage_of_word(word) is not None:
            meaning = None
        if meaning is None and not any(flag.won[inside].any() for flag in flags):
            meaning = None if is_service(name) else meaning_of_status(word)
        meant[name, word] = meaning
    if not flags:
        sold = {name for (name, _), meaning in meant.items() if meaning == "won"}
        for name, word in meant:
            if name not in sold and not is_service(name) and is_done(word):
                meant[name, word] = "won"
    return meant


def _of_cells(
    data: pd.DataFrame, pipeline: str, stage: str, meant: Mapping[tuple[str, str], Meaning | None]
) -> Flag | None:
    meanings: dict[str, set[Meaning | None]] = {}
    for (_, word), meaning in meant.items():
        meanings.setdefault(word, set()).add(meaning)
    differing = [word for word, found in meanings.items() if len(found) > 1]
    won_if, lost_if = (_conditions(pipeline, stage, meant, which) for which in ("won", "lost"))
    if not differing or not won_if or lost_if is None:
        return None
    told = [meant.get(cell) for cell in zip(data[pipeline], data[stage], strict=True)]
    return Flag(
        f"'{pipeline}' and '{stage}' together ({listed(differing)} means different things in"
        " different pipelines)",
        np.array([meaning == "won" for meaning in told]),
        np.array([meaning == "lost" for meaning in told]),
        won_if=won_if,
        lost_if=lost_if,
    )


def _conditions(
    pipeline: str, stage: str, meant: Mapping[tuple[str, str], Meaning | None], which: str
) -> Conditions | None:
    """Conditions that hold for the stages of this meaning and for no other: every listed stage has
    it in every listed pipeline. None where there are none such; nothing where no stage has it."""
    cells = [cell for cell, meaning in meant.items() if meaning == which]
    pipelines = dict.fromkeys(name for name, _ in cells)
    words = dict.fromkeys(word for _, word in cells)
    if any(
        meaning != which
        for (name, word), meaning in meant.items()
        if name in pipelines and word in words
    ):
        return None
    if not cells:
        return ()
    in_stages = Condition(field=stage, any_of=tuple(words))
    if all(meaning == which for (_, word), meaning in meant.items() if word in words):
        return (in_stages,)
    return (Condition(field=pipeline, any_of=tuple(pipelines)), in_stages)
