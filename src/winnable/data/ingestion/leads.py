"""Ingestion of the leads: column roles, ids, status values and dates are validated row by row.

Activities and field history are read in `winnable.data.ingestion.events`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from winnable.core.columns import CLOSED, CLOSED_LOST, CREATED, ID, STATUS, BoolArray
from winnable.core.text import counted, listed, nearest
from winnable.data.ingestion.dates import anonymous, read_dates
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.repeated_ids import refuse_events, repeated
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import Source, read_source
from winnable.data.ingestion.sources.text_table import TextTable
from winnable.definition.conditions import Condition
from winnable.definition.outcome import ANYTHING, STATUS_BY_CONDITIONS, WON_AND_LOST
from winnable.definition.schema import Definition
from winnable.errors import DataError

DATES = ("created", "closed", "closed_lost", "changed")
ROLES = ("id", "person", "account", *DATES, "status", "source", "consent")
CLOCK_TOLERANCE = pd.Timedelta(days=1)
"""How far in the future a date may be before its row is rejected: clocks and time zones differ."""


def read_leads(
    definition: Definition,
    source: Source,
    findings: Findings,
    now: pd.Timestamp,
    *,
    for_training: bool,
    day_first: bool | None = None,
    options: ReadOptions | None = None,
) -> pd.DataFrame:
    """The leads with their roles, as `winnable.data.ingestion.crm.Crm` describes them; `day_first`
    and `options` as for `read_crm`."""
    table = read_source(source, "leads", options)
    for note in table.notes:
        findings.note(note)
    roles = _roles(definition, table, findings, for_training=for_training)
    if table.broken:
        findings.reject("leads", pd.Index(list(table.broken)), None, list(table.broken.values()))
    if for_training:
        _check_ids(table, roles.get("id"), findings)
    frame = table.data if for_training else table.data.reindex(range(table.size))
    ids = (
        frame[roles["id"]]
        if "id" in roles
        else pd.Series(frame.index.astype("str"), index=frame.index, dtype="str")
    )
    words = {f"@{role}": frame[name] for role, name in roles.items() if role not in ("id", *DATES)}
    dated: dict[str, pd.Series[str]] = {role: frame[roles[role]] for role in DATES if role in roles}
    if STATUS in words and definition.outcome.won == (ANYTHING,):
        # The column is not a status but something that only won leads have, such as the date of
        # the win.
        words[STATUS] = words[STATUS].mask(words[STATUS].notna(), ANYTHING)
    if any(name in frame for name in definition.outcome.fields):
        words[STATUS] = _status_by_conditions(definition, frame, findings)
    moments = read_dates(dated, table.name, findings, strict=for_training, usual=day_first)
    frame = frame.assign(
        **{ID: ids}, **words, **{f"@{role}": moment for role, moment in moments.items()}
    )
    frame, dated = _with_date_of_losing(definition, frame, dated)
    if not for_training:
        if "closed" in dated:  # the closing date of an open lead is only expected
            ended = (
                frame[STATUS].isin([*definition.outcome.won, *definition.outcome.lost])
                if STATUS in frame
                else pd.Series(False, index=frame.index)
            )
            frame = frame.assign(**{CLOSED: frame[CLOSED].where(ended)})
        return _checked_for_scoring(frame, dated, findings)
    return _checked_for_training(definition, frame, dated, findings, now)


def _status_by_conditions(
    definition: Definition, frame: pd.DataFrame, findings: Findings
) -> "pd.Series[str]":
    """The status of each lead by the conditions of [outcome]: "won", "lost", "open", or "won and
    lost", which is noted. The same as `Outcome.status_of` for each row."""
    outcome = definition.outcome
    won, lost = (all_hold(conditions, frame) for conditions in (outcome.won_if, outcome.lost_if))
    met = won + 2 * lost
    both = int((met == 3).sum())
    if both:
        findings.note(
            f"{counted(both, 'lead')} that meet the conditions of won and those of lost; nobody"
            " knows which it was, so nothing is learned from them and they are scored as if open."
            " Narrow the conditions in [outcome] so that no lead meets both."
        )
    return pd.Series(np.array(STATUS_BY_CONDITIONS)[met], index=frame.index, dtype="str")


def all_hold(conditions: Iterable[Condition], frame: pd.DataFrame) -> BoolArray:
    """For which rows every condition holds, shape (n,); without conditions for none. Each distinct
    value is tested once; a column that is not there is missing everywhere."""
    held = [_holds(condition, frame) for condition in conditions]
    return np.all(held, axis=0) if held else np.zeros(len(frame), dtype=np.bool_)


def _holds(condition: Condition, frame: pd.DataFrame) -> BoolArray:
    if condition.members:
        return condition.join_answers([_holds(member, frame) for member in condition.members])
    name = condition.field
    values = frame[name] if name in frame else pd.Series(pd.NA, index=frame.index, dtype="str")
    codes, distinct = pd.factorize(values)
    answers = [condition.holds_for(str(value)) for value in distinct]
    return np.array([*answers, condition.holds_for(None)], dtype=np.bool_)[codes]


def _check_ids(table: TextTable, id_column: str | None, findings: Findings) -> None:
    """Refuse a history or an activity log in place of the leads; where the definition names the id
    that is repeated, the last row of each is meant, which is noted."""
    if id_column is None:
        refuse_events(table.data, table.name)
        return
    found = repeated(table.data[id_column])
    if found is not None:
        findings.repeated_id = found
        findings.note(f"{table.name}: {found}, {found.meaning}")


def _with_date_of_losing(
    definition: Definition, frame: pd.DataFrame, dated: "dict[str, pd.Series[str]]"
) -> tuple[pd.DataFrame, "dict[str, pd.Series[str]]"]:
    """The leads with one closing date each: that of losing for lost leads, where it has a column of
    its own."""
    if "closed_lost" not in dated:
        return frame, dated
    losing = frame.pop(CLOSED_LOST)
    written = dated.pop("closed_lost")
    if STATUS not in frame:
        return frame, dated
    lost = frame[STATUS].isin(definition.outcome.lost) & written.notna()
    closed = frame.get(CLOSED, pd.Series(pd.NaT, index=frame.index, dtype=losing.dtype))
    unwritten = pd.Series(pd.NA, index=frame.index, dtype="str")
    texts = dated.get("closed", unwritten)
    dated["closed"] = texts.where(~lost, written)
    return frame.assign(**{CLOSED: closed.where(~lost, losing)}), dated


def _roles(
    definition: Definition, table: TextTable, findings: Findings, *, for_training: bool
) -> dict[str, str]:
    """The role columns that the table has. A missing column is an error where it is required, else
    a note."""
    columns = list(table.data.columns)
    reserved = [
        name for name in columns if name.startswith("@") and name[1:] in (*ROLES, "recorded")
    ]
    if reserved:
        raise DataError(
            f"{table.name}: the column name '{reserved[0]}' is reserved by winnable; rename"
            " the column."
        )
    columns_by_role = {role: getattr(definition.columns, role) for role in ROLES}
    named = {role: str(name) for role, name in columns_by_role.items() if name is not None}
    tested = definition.outcome.fields
    if tested:
        del named[STATUS.removeprefix("@")]
    for role, name in (*named.items(), *(("outcome", name) for name in tested)):
        if name in table.doubled:
            raise DataError(
                f"{table.name}: the column '{name}' ({role}) appears more than once in the"
                " header; remove one."
            )
        if name not in columns and (for_training or role == "id"):
            raise DataError(
                f"{table.name}: there is no column '{name}', the definition's {role};"
                f" {nearest_column(name, columns)}"
            )
    mentioned = dict.fromkeys(
        [
            *named.values(),
            *tested,
            *definition.columns.fixed,
            *definition.columns.ignore,
            *definition.fields(),
        ]
    )
    derived = definition.columns.source_name if definition.columns.source is None else None
    known = {*columns, derived}
    missing = [name for name in mentioned if name not in known]
    if missing:
        findings.note(
            f"{table.name}: there is no {listed(missing)}, which the definition uses;"
            f" {nearest_column(missing[0], columns)}"
        )
    return {role: name for role, name in named.items() if name in columns}


def nearest_column(name: str, columns: Iterable[str]) -> str:
    """The column with the most similar name, and all columns: the second half of an error
    message."""
    known = list(columns)
    closest = nearest(name, known)
    if closest is None:
        return f"its columns: {listed(known)}."
    return f"the nearest is '{closest}'. Its columns: {listed(known)}."


def _checked_for_scoring(
    frame: pd.DataFrame, dated: "Mapping[str, pd.Series[str]]", findings: Findings
) -> pd.DataFrame:
    """Every row unchanged; what prevents a row from being scored is recorded."""
    if "created" in dated:
        unreadable = dated["created"].notna() & frame[CREATED].isna()
        findings.reject(
            "leads",
            frame.index[unreadable],
            frame.loc[unreadable, ID],
            "the creation date cannot be read",
        )
    without_id = int(frame[ID].isna().sum())
    if without_id:
        findings.note(f"{counted(without_id, 'lead')} without an id.")
    duplicates = int(frame[ID].dropna().duplicated(keep=False).sum())
    if duplicates:
        findings.note(
            f"{counted(duplicates, 'row')} with a duplicate id; each row is scored on its own."
        )
    return frame


def _checked_for_training(
    definition: Definition,
    frame: pd.DataFrame,
    dated: "Mapping[str, pd.Series[str]]",
    findings: Findings,
    now: pd.Timestamp,
) -> pd.DataFrame:
    """The rows that a model can be trained on."""
    _check_status(definition, frame, findings)
    resolved = frame[STATUS].isin([*definition.outcome.won, *definition.outcome.lost])
    contradicted = bool(definition.outcome.won_if) & (frame[STATUS] == WON_AND_LOST)
    faults: list[tuple[pd.Series[bool], str]] = [
        (frame[ID].isna(), "it has no id"),
        (contradicted, "it meets the conditions of won and those of lost"),
    ]
    if "created" in dated:
        created = frame[CREATED]
        faults += [
            (dated["created"].isna(), "it has no creation date"),
            (created.isna(), "the creation date cannot be read"),
            (created > now + CLOCK_TOLERANCE, "the creation date is in the future"),
        ]
    if "closed" in dated:
        closed = _closed_when_resolved(frame, dated["closed"], resolved, findings)
        frame = frame.assign(**{CLOSED: closed})
        faults.append(
            (closed > now + CLOCK_TOLERANCE, "it is closed, but the closing date is in the future")
        )
        if "created" in dated:
            faults.append((closed < frame[CREATED], "it was closed before it was created"))
    return _last_of_each_id(frame[findings.keep_usable("leads", frame, faults)], findings)


def _closed_when_resolved(
    frame: pd.DataFrame, written: "pd.Series[str]", resolved: "pd.Series[bool]", findings: Findings
) -> "pd.Series[pd.Timestamp]":
    """The closing date of leads that are won or lost. A date without a time of day does not count
    as earlier than a creation on the same day."""
    closed = frame[CLOSED]
    expected = int((closed.notna() & ~resolved).sum())
    if expected:
        findings.note(
            f"{counted(expected, 'open lead')} with a closing date; treated as an expected date,"
            " not as an outcome."
        )
    undated = int((resolved & written.isna()).sum())
    if undated:
        findings.note(
            f"{counted(undated, 'won or lost lead')} without a closing date; kept, with the time"
            " of the outcome found otherwise or estimated."
        )
    unreadable = int((resolved & written.notna() & closed.isna()).sum())
    if unreadable:
        findings.note(
            f"{counted(unreadable, 'won or lost lead')} with an unreadable closing date; kept,"
            " with the time of the outcome unknown."
        )
    closed = closed.where(resolved)
    if CREATED in frame:
        created = frame[CREATED]
        same_day = (closed < created) & (closed == created.dt.floor("D"))
        closed = closed.mask(same_day, created)
    return closed


def _check_status(definition: Definition, frame: pd.DataFrame, findings: Findings) -> None:
    """Raise DataError if the definition knows none of the status values; note values that differ
    only in case."""
    status = frame[STATUS]
    outcome = definition.outcome
    if outcome.won_if:
        _check_conditions(definition, frame)
        return
    known = {
        *outcome.won,
        *outcome.lost,
        *(value for stage in definition.stages.values() for value in stage.status),
    }
    counts = status.value_counts()
    if len(frame) and not known.intersection(counts.index):
        frequent = (
            ", ".join(
                f"'{anonymous(str(value))}' ({times})" for value, times in counts.head(10).items()
            )
            or "none (the column is empty)"
        )
        raise DataError(
            f"no value of the status column '{definition.columns.status}' is in the definition,"
            f" which expects {', '.join(map(repr, sorted(known)))}. The most frequent values are"
            f" {frequent}. Correct [outcome] or the column name."
        )
    by_folded_case = {str(value).casefold(): value for value in counts.index}
    for value in (*outcome.won, *outcome.lost):
        variant = by_folded_case.get(value.casefold())
        if variant is not None and value not in counts.index:
            findings.note(
                f"No lead has the status '{value}', but {counted(int(counts[variant]), 'lead')}"
                f" '{variant}': do they mean the same?"
            )
    missing = int(status.isna().sum())
    if missing:
        findings.note(f"{counted(missing, 'lead')} without a status; treated as open.")


def _check_conditions(definition: Definition, frame: pd.DataFrame) -> None:
    """Raise DataError if no lead meets the conditions of won or of lost."""
    outcome = definition.outcome
    if not len(frame) or frame[STATUS].isin([*outcome.won, *outcome.lost]).any():
        return
    frequent = "; ".join(
        f"of '{name}' "
        + (
            ", ".join(
                f"'{anonymous(str(value))}' ({times})"
                for value, times in frame[name].value_counts().head(5).items()
            )
            or "none (the column is empty)"
        )
        for name in outcome.fields
    )
    raise DataError(
        "no lead meets the conditions of won or of lost in [outcome] alone. The most frequent"
        f" values are {frequent}. Correct the conditions."
    )


def _last_of_each_id(frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """The last row of every id; earlier rows are rejected as duplicates or as replaced."""
    earlier = frame[ID].duplicated(keep="last")
    if not earlier.any():
        return frame
    identical = frame.duplicated(keep="last") & earlier
    findings.reject(
        "leads",
        frame.index[identical],
        frame.loc[identical, ID],
        "an identical row appears further down",
    )
    replaced = earlier & ~identical
    findings.reject(
        "leads", frame.index[replaced], frame.loc[replaced, ID], "a later row has the same id"
    )
    return frame[~earlier]
