"""Which leads the rows of an activity log or a field history refer to.

A row names its lead by the lead's id, by the same Salesforce key in its other length (15 or 18
characters), or it names several leads in one cell ("1; 2", "[1, 2]", "1 / 2"): then it belongs to
each of them. A row
of an activity log that names none but a visitor belongs to the lead that the visitor turns out to
be, and is known as that lead's no earlier than the visitor is.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from winnable.core.columns import AT, ID, IDENTIFIED, VISITOR, BoolArray, IntArray

_SHORT = 15
_KEY = re.compile(r"[0-9a-zA-Z]{15}(?:[0-9a-zA-Z]{3})?")
_CHECKSUM_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SEPARATOR = re.compile(r"\s*[;,|\n]\s*")
_LOOSE_SEPARATOR = re.compile(r"[;,|\s/&+]+")
"""Marks that stand in other texts, too: what they part are ids only if each part is one."""
_AROUND = "[](){}"


@dataclass(frozen=True)
class Links:
    """What the rows of a table refer to: `codes` has shape (rows,); the value of code c names the
    leads `ids[starts[c]:starts[c + 1]]`. Code -1 names none."""

    codes: IntArray
    starts: IntArray
    ids: tuple[str, ...]

    @property
    def counts(self) -> IntArray:
        """How many leads each row refers to, shape (rows,)."""
        sizes = np.append(np.diff(self.starts), 0)
        return np.asarray(sizes[self.codes], dtype=np.int64)

    def take(self, frame: pd.DataFrame, rows: BoolArray, name: str) -> pd.DataFrame:
        """These rows of a frame, each once for each of its leads, with the lead's id in the column
        `name`. Rows keep their labels."""
        codes = self.codes[rows]
        counts = self.counts[rows]
        if (counts == 1).all():
            found = self.starts[codes]
        else:
            frame = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            found = np.repeat(self.starts[codes], counts) + within
        return frame.assign(**{name: pd.array(self.ids, dtype="str").take(found)})


class LeadKeys:
    """The ids of leads, by which `find` looks up what rows refer to."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._by_short = {
            short: key for key in self._ids for short in [short_key(key)] if short is not None
        }

    def find(self, written: "pd.Series[str]") -> "Links":
        """The leads that each row refers to. Each distinct value is looked up once."""
        codes, distinct = pd.factorize(written)
        leads = [self._leads_of(str(value)) for value in distinct]
        starts = np.cumsum([0, *(len(found) for found in leads)])
        return Links(
            codes.astype(np.int64), starts, tuple(lead for found in leads for lead in found)
        )

    def _leads_of(self, value: str) -> tuple[str, ...]:
        found = self._lead_of(value)
        if found is not None:
            return (found,)
        listed = value.strip(_AROUND)
        parts = [self._lead_of(part.strip("\"' ")) for part in _SEPARATOR.split(listed)]
        leads = tuple(dict.fromkeys(part for part in parts if part is not None))
        if leads:
            return leads
        parts = [self._lead_of(part) for part in _LOOSE_SEPARATOR.split(listed)]
        return () if None in parts else tuple(dict.fromkeys(filter(None, parts)))

    def _lead_of(self, value: str) -> str | None:
        if value in self._ids:
            return value
        short = short_key(value)
        return None if short is None else self._by_short.get(short)


@dataclass(frozen=True)
class Visits:
    """The rows of an activity log, merged by visitor. All have the log's index, but `visitors`.

    leads: what each row names as its lead, or what the row that identified its visitor does;
    missing for neither. identified: where the row came before its visitor was known, from when it
    is known as the lead's; else NaT. anonymous: rows of visitors that nobody has identified.
    visitors: a row for each visitor who came before being known, with "@at", when first, and
    "@identified", when they were known (NaT if never). several: how many visitors were identified
    as more than one lead.
    """

    leads: "pd.Series[str]"
    identified: "pd.Series[pd.Timestamp]"
    anonymous: "pd.Series[bool]"
    visitors: pd.DataFrame
    several: int


_KNOWN = "@known"
_TOLD = "@told"


def merge_visits(rows: pd.DataFrame, known: "pd.Series[pd.Timestamp]") -> Visits:
    """Give the rows without a lead to the leads that their visitors turn out to be.

    A row that names a lead and a visitor identifies the visitor, from when the row is `known`. A
    visitor's rows before that belong to the lead identified first, those after it to the one
    identified last before them. So what was said at any moment never changes with later rows.
    `rows` has "@id", "@visitor" and "@at"; rows without a time identify nobody and are given to
    nobody.
    """
    dated = rows.assign(**{_KNOWN: known})[rows[VISITOR].notna() & known.notna()]
    telling = dated.loc[dated[ID].notna(), [VISITOR, _KNOWN, ID]]
    telling = telling.sort_values([_KNOWN, ID]).rename(columns={_KNOWN: _TOLD})
    firsts = telling.drop_duplicates(VISITOR).set_index(VISITOR)
    silent = dated[dated[ID].isna()].sort_values(AT, kind="stable")
    told = pd.merge_asof(
        silent[[VISITOR, AT]], telling, left_on=AT, right_on=_TOLD, by=VISITOR
    ).set_index(silent.index)
    early = silent[told[ID].isna().to_numpy()]
    first = firsts.reindex(early[VISITOR]).set_axis(early.index)
    identified = first[_TOLD]
    leads = rows[ID].copy()
    leads.loc[silent.index] = told[ID]
    leads.loc[early.index] = first[ID]
    visitors = (
        early.assign(**{IDENTIFIED: identified})
        .groupby(VISITOR, sort=True)
        .agg(**{AT: (_KNOWN, "min"), IDENTIFIED: (IDENTIFIED, "first")})
    )
    keys = telling[ID].map(lambda written: short_key(written) or written)
    several = keys.groupby(telling[VISITOR]).nunique() > 1
    return Visits(
        leads,
        identified.reindex(rows.index),
        pd.Series(rows.index.isin(early.index[identified.isna()]), index=rows.index),
        visitors.reset_index(drop=True),
        int(several.sum()),
    )


def short_key(value: str) -> str | None:
    """The 15 characters of a Salesforce key of 15 or 18 characters; None for anything else.

    The three characters behind the key tell which of its letters are capitals.
    """
    if not _KEY.fullmatch(value):
        return None
    short = value[:_SHORT]
    if len(value) > _SHORT and value[_SHORT:].upper() != _checksum(short):
        return None
    return short


def _checksum(short: str) -> str:
    blocks = (short[start : start + 5] for start in range(0, _SHORT, 5))
    return "".join(
        _CHECKSUM_LETTERS[sum(letter.isupper() << place for place, letter in enumerate(block))]
        for block in blocks
    )
