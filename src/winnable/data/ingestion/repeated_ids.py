"""Tables that are no leads: an id that stands in several rows is that of a history or of an
activity log, whose rows are changes or activities.

Only tells them apart; histories and logs are read in `winnable.data.ingestion.events`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from winnable.core.text import counted
from winnable.errors import DataError

MIN_ROWS_OF_ID = 1.5
"""Rows an id in the mean; a few that were exported twice stay far below."""

MIN_FILLED_SHARE = 0.9
"""Of the rows: a column with fewer values is a link, not an id."""

_THINGS = r"(?:lead|opportunity|opp|deal|case|prospect|record|object|enquiry|inquiry|potential)"
_ID = re.compile(rf"(?:{_THINGS}(?:id|number|no|nr|key))|id")
_NAME = re.compile(rf"{_THINGS}(?:name)?")
_OWN_ID = re.compile(
    rf"(?:{_THINGS}|contact|person|customer|account|company)(?:id|number|no|nr|key)?"
)
"""What the id of leads is called where it is different in each row; an "id" alone may be that of a
change or an activity."""
_OWN_VALUES = r"(?:lead|oppo|opp|opportunity|deal|prospect|cont|contact)[_-]\w+"
"""How keys name the thing that they are of, as Close does."""
_ADDRESS = re.compile(r"(?:primary|work|contact|person)?(?:e?mail)(?:address)?")
_CHANGE_COLUMNS = (
    {"fromstage", "tostage"},
    {"oldvalue", "newvalue"},
    {"fieldevent", "editdate"},
    {"property", "timestamp"},
)
"""What the columns of a history are called; leads have no such pairs."""
_ACTIVITY_ID = re.compile(
    r"(?:activity|task|event|call|e?mail|meeting|interaction|engagement|touchpoint|message|note"
    r"|aktivit[aä]ts?|aufgabe|termin|actividad|tarea|atividade|tarefa|attivit[aà]|activiteit|taak|activit[eé]"
    r"|t[aâ]che)(?:id|number|no|nr|key|s?id)|id(?:de|der|della|dell)?(?:activit[eé]|t[aâ]che|actividad"
    r"|tarea|atividade|tarefa|attivit[aà])"
)
_LINK = re.compile(
    rf"(?:{_THINGS}|who|what|contact|person|account)(?:id|number|no|nr|key|name)?"
    r"|(?:related|linked|associated)(?:to|with|record)?(?:id)?|(?:re)?gardingobjectid|regarding"
    r"|parentid|relatedrecordid|relatedtoid|bezugauf|bezug|verkn[uü]pftmit|associ[eé]à?|li[eé]à"
    r"|relacionadocon|relacionadoa|collegatoa|correlatoa|gerelateerdaan|betreft"
)
"""What the id of an activity is called, and the column that tells whose it is."""


@dataclass(frozen=True)
class RepeatedId:
    """An id that stands in `rows` rows with `ids` different values."""

    column: str
    rows: int
    ids: int

    @property
    def mean(self) -> float:
        """Rows an id."""
        return self.rows / self.ids

    @property
    def meaning(self) -> str:
        """What it means, and what to do, where the definition names the id."""
        return (
            "as in a history or an activity log; the last row of each id was used. If its rows are"
            " changes or activities, export one row a lead and give this file as --history or"
            " --activities."
        )

    def __str__(self) -> str:
        return (
            f"'{self.column}' stands {self.mean:.1f} times in the mean"
            f" ({counted(self.rows, 'row')}, {counted(self.ids, 'id')})"
        )


def repeated(column: "pd.Series[str]") -> RepeatedId | None:
    """How often an id is repeated, if it is that of a history or a log; None for an id of leads."""
    rows = int(column.notna().sum())
    ids = column.nunique()
    if ids < 2 or rows < MIN_ROWS_OF_ID * ids:
        return None
    return RepeatedId(str(column.name), rows, ids)


def refuse_events(data: pd.DataFrame, table: str) -> None:
    """Raise DataError where no column is the id of leads and one that should be stands in several
    rows, or where the columns are those of a history."""
    names = {re.sub(r"[\W_]", "", str(name)).casefold(): str(name) for name in data.columns}
    is_history = any(pair <= names.keys() for pair in _CHANGE_COLUMNS)
    ids = [data[name] for plain, name in names.items() if _ID.fullmatch(plain)]
    if is_history:
        ids += [data[name] for plain, name in names.items() if _NAME.fullmatch(plain)]
    keys = [data[name] for plain, name in names.items() if _ACTIVITY_ID.fullmatch(plain)]
    is_log = any(key.is_unique and key.notna().all() for key in keys) and not any(
        column.is_unique for column in ids
    )
    if is_log:
        ids += [data[name] for plain, name in names.items() if _LINK.fullmatch(plain)]
    filled = [column for column in ids if column.notna().mean() >= MIN_FILLED_SHARE]
    found = list(_repeated(filled))
    own = any(
        data[name].is_unique
        for plain, name in names.items()
        if _OWN_ID.fullmatch(plain) or (plain == "id" and _names_leads(data[name]))
    ) or _has_own_addresses(data, names)
    if found and (is_history or is_log or not own):
        raise DataError(
            f"{table}: {found[0]}, so this is a history or an activity log, not a table of leads;"
            " export one row a lead, and give this file as --history or --activities beside it. If"
            " the last row of each id is the lead as it stands now, say so in a definition by"
            f' id = "{found[0].column}" under [columns].'
        )


def _names_leads(column: "pd.Series[str]") -> bool:
    return bool(column.notna().all() and column.str.fullmatch(_OWN_VALUES).all())


def _has_own_addresses(data: pd.DataFrame, names: Mapping[str, str]) -> bool:
    """Whether rows have e-mail addresses of their own: then each is a person, of an account."""
    addresses = (data[name].dropna() for plain, name in names.items() if _ADDRESS.fullmatch(plain))
    return any(len(known) >= 0.5 * len(data) and known.is_unique for known in addresses)


def _repeated(columns: "list[pd.Series[str]]") -> Iterator[RepeatedId]:
    for column in columns:
        found = repeated(column)
        if found is not None:
            yield found
