"""Cells that a spreadsheet would run as formulas are written so that it does not, and read back as
they were."""

from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.cells import cell, value_of, with_safe_cells
from winnable.data.outputs.files import write_file

TEXTS = ["=1+1", "+49 30", "-1", "@x", "\tx", "\rx", "'", "''=x", "L-1", "", "Zoë = 1", "1.5"]


def test_a_cell_is_read_as_it_was_written() -> None:
    assert [value_of(cell(text)) for text in TEXTS] == TEXTS
    assert not any(cell(text).startswith(("=", "+", "-", "@", "\t", "\r")) for text in TEXTS)


def test_a_table_keeps_its_numbers_and_what_is_missing(tmp_path: Path) -> None:
    texts = [text for text in TEXTS if text != "\rx"]  # Python 3.11 writes a lone \r unquoted
    size = len(texts)
    table = pd.DataFrame(
        {
            "lead_id": texts,
            "skill": -np.arange(1, size + 1) / 10,
            "reasons": pd.Series([None, *texts[1:]], dtype=object),
            "error": pd.Series([None] * size, dtype=object),
        }
    )
    write_file(table, tmp_path / "table.csv")
    read = pd.read_csv(tmp_path / "table.csv", dtype={"lead_id": str}, keep_default_na=False)
    assert [value_of(word) for word in read["lead_id"]] == texts
    assert read["skill"].astype(float).tolist() == table["skill"].tolist()
    assert read["reasons"].tolist() == ["", *map(cell, texts[1:])]
    assert with_safe_cells(table)["error"].isna().all()
    assert table["lead_id"].tolist() == texts  # the caller's own stays
