"""Parquet, Arrow and Feather files are recognized by their content."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from winnable.data.ingestion.sources.source import read_source
from winnable.errors import DataError

TABLE = pa.Table.from_pandas(pd.DataFrame({"id": [1, 2], "name": ["Ann", None]}, index=[5, 9]))


def arrow_file() -> bytes:
    sink = io.BytesIO()
    with pyarrow.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def arrow_stream() -> bytes:
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def feather() -> bytes:
    sink = io.BytesIO()
    pyarrow.feather.write_feather(TABLE, sink)
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "content",
    [arrow_file(), arrow_stream(), feather(), parquet()],
    ids=["file", "stream", "feather", "parquet"],
)
@pytest.mark.parametrize("name", ["leads.arrow", "leads.csv", "leads"])
def test_each_kind_under_every_name(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    data = read_source(str(tmp_path / name), "leads").data
    assert list(data.columns) == ["id", "name"]
    assert data["id"].tolist() == ["1", "2"]
    assert data["name"].isna().tolist() == [False, True]


@pytest.mark.parametrize("content", [arrow_file(), arrow_stream()])
def test_a_truncated_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leads.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"leads\.arrow: not a readable Arrow file"):
        read_source(str(tmp_path / "leads.arrow"), "leads")


def test_a_folder_of_arrow_files_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(feather())
    (tmp_path / "b.arrow").write_bytes(arrow_file())
    assert len(read_source(str(tmp_path), "leads").data) == 4
