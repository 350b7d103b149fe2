"""The leads' side of the input contract: roles of columns, ids, status values and dates, row by
row."""

from collections.abc import Iterable, Mapping

import pandas as pd

from winnable.core.columns import CLOSED, CREATED, ID, STATUS
from winnable.core.text import counted, listed, nearest
from winnable.data.ingestion.dates import read_dates
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.sources.source import Source, read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.definition.schema import ANYTHING, Definition
from winnable.errors import DataError

ROLES = ("id", "person", "created", "closed", "status", "source", "consent")
AHEAD = pd.Timedelta(days=1)
"""How far ahead of now a date may lie before it is a fault: clocks differ and so do time zones."""


def read_leads(
    definition: Definition,
    source: Source,
    findings: Findings,
    now: pd.Timestamp,
    *,
    for_training: bool,
    day_first: bool | None = None,
) -> pd.DataFrame:
    """The leads with their roles, as `winnable.data.ingestion.crm.Crm` describes them; `day_first`
    as for `read_crm`."""
    table = read_source(source, "leads")
    for note in table.notes:
        findings.note(note)
    roles = _roles(definition, table, findings, for_training=for_training)
    if table.broken:
        findings.reject("leads", pd.Index(list(table.broken)), None, list(table.broken.values()))
    frame = table.data if for_training else table.data.reindex(range(table.size))
    ids = (
        frame[roles["id"]]
        if "id" in roles
        else pd.Series(frame.index.astype("str"), index=frame.index, dtype="str")
    )
    words = {
        f"@{role}": frame[name]
        for role, name in roles.items()
        if role not in ("id", "created", "closed")
    }
    dated: dict[str, pd.Series[str]] = {
        role: frame[roles[role]] for role in ("created", "closed") if role in roles
    }
    if STATUS in words and definition.outcome.won == (ANYTHING,):
        # The column is no status but something that only won leads have, such as the date of
        # winning.
        words[STATUS] = words[STATUS].mask(words[STATUS].notna(), ANYTHING)
    moments = read_dates(dated, table.name, findings, strict=for_training, usual=day_first)
    frame = frame.assign(
        **{ID: ids}, **words, **{f"@{role}": moment for role, moment in moments.items()}
    )
    if not for_training:
        if "closed" in dated:  # in an open lead it is what somebody expects
            ended = (
                frame[STATUS].isin([*definition.outcome.won, *definition.outcome.lost])
                if STATUS in frame
                else pd.Series(False, index=frame.index)
            )
            frame = frame.assign(**{CLOSED: frame[CLOSED].where(ended)})
        return _checked_for_scoring(frame, dated, findings)
    return _checked_for_training(definition, frame, dated, findings, now)


def _roles(
    definition: Definition, table: TextTable, findings: Findings, *, for_training: bool
) -> dict[str, str]:
    """The role columns that the table has. What is missing is an error where it is needed, else a
    note."""
    columns = list(table.data.columns)
    reserved = [
        name for name in columns if name.startswith("@") and name[1:] in (*ROLES, "recorded")
    ]
    if reserved:
        raise DataError(
            f"{table.name}: a column is called '{reserved[0]}', a name that winnable keeps for"
            " itself; rename it."
        )
    named = {
        role: str(name) for role in ROLES if (name := getattr(definition.columns, role)) is not None
    }
    for role, name in named.items():
        if name in table.doubled:
            raise DataError(
                f"{table.name}: the column '{name}' ({role}) stands more than once in the header;"
                " remove one."
            )
        if name not in columns and (for_training or role == "id"):
            raise DataError(
                f"{table.name}: there is no column '{name}', the definition's {role};"
                f" {nearest_column(name, columns)}"
            )
    others = dict.fromkeys(
        [
            *named.values(),
            *definition.columns.fixed,
            *definition.columns.ignore,
            *definition.fields(),
        ]
    )
    lacking = [name for name in others if name not in columns]
    if lacking:
        findings.note(
            f"{table.name}: it has no {listed(lacking)}, which the definition names;"
            f" {nearest_column(lacking[0], columns)}"
        )
    return {role: name for role, name in named.items() if name in columns}


def nearest_column(name: str, columns: Iterable[str]) -> str:
    """The column that is called most nearly like it, and all there are: the second half of an
    error's sentence."""
    known = list(columns)
    all_of_them, close = listed(known), nearest(name, known)
    if close is None:
        return f"its columns: {all_of_them}."
    return f"nearest is '{close}'. Its columns: {all_of_them}."


def _checked_for_scoring(
    frame: pd.DataFrame, dated: "Mapping[str, pd.Series[str]]", findings: Findings
) -> pd.DataFrame:
    """Every row as it is; what hinders scoring one of them is written down."""
    if "created" in dated:
        unreadable = dated["created"].notna() & frame[CREATED].isna()
        findings.reject(
            "leads",
            frame.index[unreadable],
            frame.loc[unreadable, ID],
            "the creation date cannot be read",
        )
    nameless = int(frame[ID].isna().sum())
    if nameless:
        findings.note(f"{counted(nameless, 'lead')} without an id.")
    doubled = int(frame[ID].dropna().duplicated(keep=False).sum())
    if doubled:
        findings.note(
            f"{counted(doubled, 'row')} share their id with another row; each is scored by itself."
        )
    return frame


def _checked_for_training(
    definition: Definition,
    frame: pd.DataFrame,
    dated: "Mapping[str, pd.Series[str]]",
    findings: Findings,
    now: pd.Timestamp,
) -> pd.DataFrame:
    """The rows that can be learned from."""
    _check_status(definition, frame, findings)
    resolved = frame[STATUS].isin([*definition.outcome.won, *definition.outcome.lost])
    faults: list[tuple[pd.Series[bool], str]] = [(frame[ID].isna(), "it has no id")]
    if "created" in dated:
        created = frame[CREATED]
        faults += [
            (dated["created"].isna(), "it has no creation date"),
            (created.isna(), "the creation date cannot be read"),
            (created > now + AHEAD, "the creation date lies in the future"),
        ]
    if "closed" in dated:
        closed = _closed_when_resolved(frame, dated["closed"], resolved, findings)
        frame = frame.assign(**{CLOSED: closed})
        faults.append(
            (closed > now + AHEAD, "it is closed, but the closing date lies in the future")
        )
        if "created" in dated:
            faults.append((closed < frame[CREATED], "it was closed before it was created"))
    return _last_of_each_id(frame[findings.keep_usable("leads", frame, faults)], findings)


def _closed_when_resolved(
    frame: pd.DataFrame, written: "pd.Series[str]", resolved: "pd.Series[bool]", findings: Findings
) -> "pd.Series[pd.Timestamp]":
    """The closing date of leads that are won or lost. A date without a time of day is never before
    creation on that day."""
    closed = frame[CLOSED]
    expected = int((closed.notna() & ~resolved).sum())
    if expected:
        findings.note(
            f"{counted(expected, 'open lead')} with a closing date; taken as what somebody expects,"
            " not what happened."
        )
    undated = int((resolved & written.isna()).sum())
    if undated:
        findings.note(
            f"{counted(undated, 'won or lost lead')} without a closing date; kept, though nobody"
            " knows when it was."
        )
    unreadable = int((resolved & written.notna() & closed.isna()).sum())
    if unreadable:
        findings.note(
            f"{counted(unreadable, 'won or lost lead')} with an unreadable closing date; kept as if"
            " there were none."
        )
    closed = closed.where(resolved)
    if CREATED in frame:
        created = frame[CREATED]
        same_day = (closed < created) & (closed == created.dt.floor("D"))
        closed = closed.mask(same_day, created)
    return closed


def _check_status(definition: Definition, frame: pd.DataFrame, findings: Findings) -> None:
    """Raise DataError if no status is one that the definition knows; note what the definition
    expects and nobody has."""
    status, outcome = frame[STATUS], definition.outcome
    known = {
        *outcome.won,
        *outcome.lost,
        *(value for stage in definition.stages.values() for value in stage.status),
    }
    counts = status.value_counts()
    if len(frame) and not known.intersection(counts.index):
        frequent = (
            ", ".join(f"'{value}' ({times})" for value, times in counts.head(10).items())
            or "none at all"
        )
        raise DataError(
            f"no value of the status column '{definition.columns.status}' is known to the"
            f" definition, which expects {', '.join(map(repr, sorted(known)))}. The most frequent"
            f" values are {frequent}. Correct [outcome] or the column."
        )
    by_plain = {str(value).casefold(): value for value in counts.index}
    for value in (*outcome.won, *outcome.lost):
        twin = by_plain.get(value.casefold())
        if twin is not None and value not in counts.index:
            findings.note(
                f"No lead has the status '{value}', but {counted(int(counts[twin]), 'lead')}"
                f" '{twin}': is it the same?"
            )
    missing = int(status.isna().sum())
    if missing:
        findings.note(f"{counted(missing, 'lead')} without a status; taken as open.")


def _last_of_each_id(frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Of several rows with one id the last; the others are rejected, and it is said whether they
    differ."""
    earlier = frame[ID].duplicated(keep="last")
    if not earlier.any():
        return frame
    same = frame.duplicated(keep="last") & earlier
    findings.reject(
        "leads", frame.index[same], frame.loc[same, ID], "the same row stands again further down"
    )
    replaced = earlier & ~same
    findings.reject(
        "leads", frame.index[replaced], frame.loc[replaced, ID], "a later row has the same id"
    )
    return frame[~earlier]
