"""What looking at a file cannot tell: how its reader is told the encoding, the sheet or the row of
the header.

Everything here may be left out; what is left out is recognized from the content.
"""

import codecs
from dataclasses import dataclass, replace

from winnable.errors import DataError


@dataclass(frozen=True)
class ReadOptions:
    """How files are read where looking does not help; None is found out.

    Parameters
    ----------
    encoding : str, optional
        The encoding of text files, such as "windows-1251".
    sheet : str, optional
        The sheet of a workbook that holds the leads.
    header_row : int, optional
        The line or row of the leads' file with the column names, counted from 1.

    Attributes
    ----------
    for_events : ReadOptions
        The same for activities and history: sheet and header row are those of the leads.

    Examples
    --------
    >>> ReadOptions(encoding="windows-1251").encoding
    'windows-1251'
    >>> ReadOptions(header_row=0)
    Traceback (most recent call last):
    winnable.errors.DataError: --header-row 0: rows are counted from 1; give the row with the names.
    """

    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None

    def __post_init__(self) -> None:
        if self.header_row is not None and self.header_row < 1:
            raise DataError(
                f"--header-row {self.header_row}: rows are counted from 1; give the row with the"
                " names."
            )
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise DataError(
                f"--encoding {self.encoding[:40]}: there is no such encoding; give one such as"
                " utf-8, windows-1251 or iso-8859-2."
            )

    @property
    def for_events(self) -> "ReadOptions":
        """The options for activities and history: sheet and header row are those of the leads."""
        return replace(self, sheet=None, header_row=None)


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        return False
