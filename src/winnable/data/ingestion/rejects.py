"""Ingestion findings: rejected rows, each with its reason, and notes for people.

No row is dropped silently: code that leaves out a row records it here, and `write_rejects` writes
the rejected rows to a file. Quality of the rows that stay is checked in
`winnable.learning.readiness.data_quality`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.cells import with_safe_cells
from winnable.core.columns import ID
from winnable.core.files import whole_file
from winnable.data.ingestion.repeated_ids import RepeatedId

COLUMNS = ("table", "row", "id", "reason")


class Findings:
    """Collects rejected rows and notes across the tables."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.repeated_id: RepeatedId | None = None
        self._rejected: list[pd.DataFrame] = []

    def note(self, sentence: str) -> None:
        """Add a plain sentence for people."""
        self.notes.append(sentence)

    def reject(
        self,
        table: str,
        rows: "pd.Index[int]",
        ids: "pd.Series[str] | None",
        reason: str | Sequence[str],
    ) -> None:
        """Record rows by their number in the source, their ids if known, and why they cannot be
        used."""
        if len(rows):
            known = pd.array([None] * len(rows), dtype="str") if ids is None else ids.array
            self._rejected.append(
                pd.DataFrame(
                    {
                        "table": pd.array([table] * len(rows), dtype="str"),
                        "row": rows.to_numpy(dtype=np.int64),
                        "id": known,
                        "reason": pd.array(
                            [reason] * len(rows) if isinstance(reason, str) else list(reason),
                            dtype="str",
                        ),
                    }
                )
            )

    def keep_usable(
        self, table: str, frame: pd.DataFrame, faults: "Sequence[tuple[pd.Series[bool], str]]"
    ) -> "pd.Series[bool]":
        """Reject every row of the frame (with "@id") for the first of its faults; returns a mask
        of the rows without faults, shape (n,)."""
        usable = pd.Series(True, index=frame.index)
        for fault, reason in faults:
            wrong = usable & fault
            self.reject(table, frame.index[wrong], frame.loc[wrong, ID], reason)
            usable &= ~fault
        return usable

    def rejects(self) -> pd.DataFrame:
        """All rejected rows: table, row, id, reason, by table and row."""
        if not self._rejected:
            empty = pd.DataFrame({name: pd.array([], dtype="str") for name in COLUMNS})
            return empty.astype({"row": np.int64})
        found = pd.concat(self._rejected, ignore_index=True)
        order = found["table"].map({"leads": 0, "activities": 1, "history": 2})
        return found.iloc[np.lexsort((found["row"], order))].reset_index(drop=True)


def write_rejects(rejects: pd.DataFrame, path: Path) -> None:
    """Write the rejected rows as CSV (table, row, id, reason; row 0 is the first below the header),
    atomically.

    Raises StoreError if the file cannot be written.
    """
    mend = "The rejected rows are written to it; make its folder writable."
    with whole_file(path, mend, private=True) as file:
        with_safe_cells(rejects).to_csv(
            file, index=False, columns=list(COLUMNS), lineterminator="\n"
        )
