"""Which column of an activity log or a field history plays which role: one list of names for
`init`, `check`, `train` and scoring.

A name is tried in its order of certainty and taken if its content agrees: the lead's column refers
to leads, and the time of a row is not the lead's own date, which is the same in all its rows.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from winnable.core.columns import IntArray, is_of_loader
from winnable.core.text import listed
from winnable.data.ingestion.lead_keys import LeadKeys
from winnable.data.ingestion.leads import nearest_column
from winnable.data.ingestion.parsing import Moments, parse_moments
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.errors import DataError

NAMES = {
    "lead": (
        "leadid lead leadorcontactid whoid prospectid contactid opportunityid dealid caseid"
        " recordid objectid objectidvalue regardingobjectid regardingobjectidvalue resid"
        " relateddocumentid parentid personid record"
        " object vid hsobjectid targetid entityid regarding datensatzid vorgangsid idderecord"
        " iddefiche"
    ),
    "at": (
        "at occurredat occurred happenedat editdate editedat editedon edittime timestamp"
        " eventtimestamp activitydate activitytime activitydatetime eventdate eventtime datetime"
        " time date changedat changedate changeddate changedon changetime historydate validfrom"
        " effectivedate snapshotdate asof stagechangedate modifiedat modifiedon modifieddate"
        " lastmodifieddate lastmodified lastmodifiedon systemmodstamp geandertam anderungsdatum"
        " bearbeitungsdatum bearbeitetam datum modifiele datedemodification fechademodificacion"
        " fechadecambio datademodificacao datamodifica datadimodifica gewijzigdop wijzigingsdatum"
        " createdat createdon createddate createdate createdtime created writedate"
        " completeddatetime completedat completedon completeddate donedate doneat finishedat"
        " starttime startdate startedat loggedat sentat sentdate"
    ),
    "kind": (
        "kind type activitytype activitykind eventtype eventkind activity event eventname"
        " activityname tasktype tasksubtype eventsubtype subtype interactiontype engagementtype"
    ),
    "recorded": "recorded recordedat recordedon loadedat insertedat ingestedat syncedat",
    "visitor": (
        "visitorid visitor anonymousid anonymousvisitorid anonid visitorkey visitoruuid cookieid"
        " cookie clientid trackingid browserid munchkincookie userpseudoid"
    ),
    "field": (
        "field fieldname fieldevent property propertyname attribute attributename attributemask"
        " changedfield changedfields fielddesc fielddescription fieldlabel fieldid column"
        " columnname feld feldname geandertesfeld champ champmodifie campo campomodificado"
        " campoalterado campomodificato veld gewijzigdveld name"
    ),
    "old": (
        "old oldvalue from fromvalue fromstage previous previousvalue before valuebefore alterwert"
        " anciennevaleur valoranterior valorantigo valoreprecedente oudewaarde"
    ),
    "new": (
        "new newvalue to tovalue tostage after valueafter value propertyvalue neuerwert"
        " nouvellevaleur nuevovalor valornuevo novovalor valornovo nuovovalore nieuwewaarde valeur"
        " valor valore waarde wert"
    ),
}
"""Usual column names in CRMs, in lower case without blanks, accents and punctuation, the most
certain first."""

_ROLE_DESCRIPTIONS = {
    "lead": "the lead's id",
    "at": "the time",
    "kind": "the kind",
    "field": "the field's name",
    "new": "the new value",
}
_OPTIONAL = ("recorded", "old", "visitor")

WRAPPER = re.compile(r"^propert(?:y|ies)[_.]+", re.IGNORECASE)
"""What loaders put before the names of HubSpot's properties: "property_createdate"."""

MIN_SHARE_OF_BEST = 0.5
"""A column with a more certain name refers to leads if it does so in this share of the rows in
which the best one does."""

MIN_ROWS_OF_DATES = 5
"""With fewer, that a column of an unknown name holds dates may be chance."""

_TYPES = "(?:v)?(?:char|text|string|integer|bigint|float|double|monetary|datetime|bool|number)"
_SAMPLE_ROWS = 2_000


@dataclass(frozen=True)
class Events:
    """A table of events as its roles are looked for: `given` are the columns that the definition
    names, `leads` the keys of the leads, `id_column` the leads' own name for them."""

    kind: str
    table: TextTable
    given: Mapping[str, str | None]
    leads: LeadKeys
    id_column: str | None = None

    def roles(self) -> dict[str, str]:
        """The column of each role: the one that the definition names, else the one with the most
        certain of the usual names that its content does not contradict.

        Raises DataError where a role has none.
        """
        found: dict[str, str] = {}
        for role in self.given:
            column = self.find(role, set(found.values()))
            if column is not None:
                found[role] = column
            elif role not in _OPTIONAL:
                raise DataError(
                    f"{self.table.name}: no column is recognized as {_ROLE_DESCRIPTIONS[role]};"
                    f" name it in the definition as {self.kind}.{role}. Its columns:"
                    f" {listed(self.table.data.columns)}."
                )
        return found

    def find(self, role: str, taken: set[str]) -> str | None:
        """The column of one role that is not taken; None if there is none."""
        columns = list(self.table.data.columns)
        named = self.given.get(role)
        if named is not None:
            if named not in columns:
                raise DataError(
                    f"{self.table.name}: there is no column '{named}', which the definition names"
                    f" as {self.kind}.{role}; {nearest_column(named, columns)}"
                )
            return named
        possible = [name for name in self._called(role) if name not in taken]
        if role == "lead":
            return self._of_leads(possible, [name for name in columns if name not in taken])
        if role == "at":
            return self._of_rows(possible) or self._only_date(taken)
        return possible[0] if possible else None

    def _called(self, role: str) -> Iterator[str]:
        """The columns with usual names of a role, the most certain first."""
        by_plain: dict[str, str] = {}
        for column in self.table.data.columns:
            if not is_of_loader(str(column)):
                for plain in plain_forms(str(column)):
                    by_plain.setdefault(plain, str(column))
        usual = NAMES[role].split()
        if role == "lead" and self.id_column is not None:
            # In a log an "id" is as often that of the row, whatever the leads call theirs.
            own = plain_forms(self.id_column)
            usual = [*(name for name in own if name != "id"), *usual, *own]
        found = (by_plain[plain] for plain in usual if plain in by_plain)
        yield from dict.fromkeys(found)

    def _of_leads(self, possible: list[str], free: list[str]) -> str | None:
        """The column that refers to leads: by its name and content, else by its content alone."""
        matched = {name: self._share_of_leads(name) for name in possible}
        enough = max(MIN_SHARE_OF_BEST * max(matched.values(), default=0.0), 1e-9)
        best = next((name for name in possible if matched[name] >= enough), None)
        if best is None:
            others = (name for name in free if name not in matched)
            best = next((name for name in others if self._share_of_leads(name) > 0.5), None)
        if best is None and possible:
            return possible[0]
        return best

    def _share_of_leads(self, name: str) -> float:
        known = self.table.data[name].dropna().head(_SAMPLE_ROWS)
        return float((self.leads.find(known).counts > 0).mean()) if len(known) else 0.0

    def _of_rows(self, possible: list[str]) -> str | None:
        """The column with the time of each row: dates, and not the same in all rows of a lead as
        the lead's own are."""
        if len(possible) < 2:
            return possible[0] if possible else None
        dates = [name for name in possible if self._is_date(name)] or possible
        lead = self.find("lead", set(dates))
        own = [name for name in dates if lead is not None and self._is_of_lead(name, lead)]
        return next((name for name in dates if name not in own), dates[0])

    def _only_date(self, taken: set[str]) -> str | None:
        """The one column with dates, where no name is known; None where there are several, or
        none."""
        columns = [str(name) for name in self.table.data.columns if name not in taken]
        if len(self.table.data) < MIN_ROWS_OF_DATES:
            return None
        dates = [name for name in columns if not is_of_loader(name) and self._is_date(name)]
        return dates[0] if len(dates) == 1 else None

    def _is_date(self, name: str) -> bool:
        known = self.table.data[name].dropna().head(_SAMPLE_ROWS)
        return len(known) > 0 and float(parse_moments(known).notna().mean()) > 0.5

    def _is_of_lead(self, name: str, lead: str) -> bool:
        """Whether a date is the same in all rows of each lead, of those with several rows."""
        rows = self.table.data[[lead, name]].dropna()
        by_lead = rows.groupby(lead, sort=False)[name].agg(["size", "nunique"])
        several = by_lead[by_lead["size"] > 1]
        return len(several) > 0 and bool((several["nunique"] == 1).all())


def plain(name: str) -> str:
    """A column's name in lower case without blanks, accents and punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", name.casefold()))


def plain_forms(name: str) -> tuple[str, ...]:
    """The plain name, and the plain names without what Odoo and loaders add: a path before it
    ("mail_message_id/res_id", "property_rating"), a type behind it ("new_value_char")."""
    inner = WRAPPER.sub("", name.rsplit("/", maxsplit=1)[-1])
    forms = [plain(name), plain(inner)]
    typed = re.fullmatch(rf"(?P<base>.*value){_TYPES}", forms[-1])
    if typed:
        forms.append(typed["base"])
    return tuple(dict.fromkeys(form for form in forms if form))


def typed_columns(name: str, columns: "pd.Index[str]") -> list[str]:
    """The columns that hold the same value by types, as Odoo writes it: "new_value_char",
    "new_value_integer"."""
    base = plain_forms(name)[-1]
    return [str(column) for column in columns if plain_forms(str(column))[-1] == base]


def newest_first(owner: IntArray, times: Moments) -> bool:
    """Whether a source has the newest rows of its leads first; both have shape (rows,), `owner` is
    a number for each lead."""
    by_lead = np.argsort(owner, kind="stable")
    steps = np.diff(times[by_lead]).astype(np.int64)[np.diff(owner[by_lead]) == 0]
    return bool((steps < 0).sum() > (steps > 0).sum())
