"""Read Parquet, Arrow and Feather files; types stay as they are until the table becomes text."""

from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from winnable.data.ingestion.sources.text_table import TablePart
from winnable.errors import DataError

PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
ARROW = (_ARROW_FILE, _ARROW_STREAM)
"""How files of these kinds begin."""


def read_parquet(file: Path | BytesIO, path: Path) -> TablePart:
    """Read a Parquet file; DataError if it is none."""
    try:
        return _part(pyarrow.parquet.ParquetFile(file).read())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).split('.', 1)[0]})."
        ) from error


def read_arrow(raw: bytes, path: Path) -> TablePart:
    """Read an Arrow file (Feather is one) or stream; DataError if it is damaged."""
    buffer = pa.BufferReader(raw)
    try:
        if raw.startswith(_ARROW_FILE):
            return _part(pyarrow.ipc.open_file(buffer).read_all())
        return _part(pyarrow.ipc.open_stream(buffer).read_all())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(
            f"{path}: not a readable Arrow file ({str(error).split('.', 1)[0][:100]}); export it"
            " again."
        ) from error


def _part(table: pa.Table) -> TablePart:
    """The columns without the index that pandas adds."""
    kept = [
        place
        for place, name in enumerate(table.column_names)
        if not name.startswith("__index_level_")
    ]
    return TablePart(
        [table.column_names[place] for place in kept], [table.column(place) for place in kept]
    )
