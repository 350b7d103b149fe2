"""Where a table of scores goes: a CSV, Parquet or NDJSON file, standard output, or a table of a
database.

What is written is not decided here; how files are written is in `files`, databases are in
`databases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from winnable.core.files import check_output
from winnable.data.outputs.files import check_format, write_file, write_stdout

if TYPE_CHECKING:
    import pandas as pd

STDOUT = "-"

SCORE_KEY = ("lead_id", "model")
"""Tells the rows of a table of scores apart: the last score of each lead by each model."""

SCORE_KEY_WITH_HISTORY = (*SCORE_KEY, "as_of")
"""The same where the scores of earlier moments stay."""


def row_key(*, accounts: bool, keep_history: bool) -> tuple[str, ...]:
    """What tells the rows of a table of scores apart; nothing does in one of accounts, which is
    written whole."""
    if accounts:
        return ()
    return SCORE_KEY_WITH_HISTORY if keep_history else SCORE_KEY


@dataclass(frozen=True)
class Output:
    """A place for a table, as it was `given`: a path, "-" for standard output, or a database URL
    with the name of a table after "#"."""

    given: str

    @property
    def is_database(self) -> bool:
        """Whether it is a table of a database."""
        return "://" in self.given

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output, on which nothing else may be printed then."""
        return self.given == STDOUT

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        return None if self.is_database or self.is_stdout else Path(self.given)

    @property
    def shown(self) -> str:
        """The place as people may read it: without a password."""
        if self.is_stdout:
            return "standard output"
        if self.is_database:
            from winnable.data.outputs.databases import shown_place

            return shown_place(self.given)
        return self.given

    @property
    def kept_at(self) -> Path | str | None:
        """Where what is written stays, as `FeedbackStore.exported` notes it: the file, or the table
        without a password; None for standard output."""
        if not self.is_database:
            return self.path
        from winnable.data.outputs.databases import lasting_place

        return lasting_place(self.given)

    def beside(self, ending: str) -> Path:
        """A file that belongs to this place: beside a file with another ending, else in the current
        folder."""
        return (self.path or Path("scores")).with_suffix(ending)

    def check(self, inputs: Sequence[str | None], keys: Sequence[str]) -> None:
        """Check, before any long work, that a table whose rows are told apart by `keys` can be
        written there, and that it is none of the inputs; else `StoreError`."""
        if self.is_database:
            from winnable.data.outputs.databases import check_database

            check_database(self.given, inputs, keys)
        elif self.path is not None:
            check_format(self.path)
            check_output(self.path, inputs)

    def write(self, table: pd.DataFrame, keys: Sequence[str]) -> tuple[str, ...]:
        """Write a table, whole or not at all. In a database its rows take the place of those with
        the same `keys`, without keys of all that are there.

        Returns what of it could not be written, in sentences. `StoreError` if nothing can be
        written.
        """
        if self.is_database:
            from winnable.data.outputs.databases import write_database

            return write_database(table, self.given, keys)
        if self.path is None:
            write_stdout(table)
        else:
            write_file(table, self.path)
        return ()
