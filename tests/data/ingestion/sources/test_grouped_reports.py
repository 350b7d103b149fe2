"""Reports that are grouped by a column write it in the first row of each group only, above the
group's subtotal and count."""

from pathlib import Path

import pandas as pd

from winnable.data.ingestion.sources.source import read_source


def lines_of(groups: dict[str, int], *, totals: bool) -> list[str]:
    lines = ["Stage,Name,Lead ID,Amount"]
    number = 0
    for stage, size in groups.items():
        for place in range(size):
            number += 1
            lines.append(f"{stage if place == 0 else ''},Firm {number},L{number},{100 + number}")
        if totals:
            lines += ["Subtotal,,,999", f"Count,{size},,"]
    return [*lines, "Total,,,9999", f"Count,{number},,"] if totals else lines


def test_a_report_grouped_by_stage_gives_each_row_the_stage_of_its_group(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("\n".join(lines_of({"Won": 4, "Lost": 6, "Open": 3}, totals=True)))
    table = read_source(str(path), "leads")
    assert table.data["Stage"].tolist() == ["Won"] * 4 + ["Lost"] * 6 + ["Open"] * 3
    assert table.data["Lead ID"].tolist() == [f"L{number}" for number in range(1, 14)]
    assert any("grouped by 'Stage'" in note for note in table.notes)


def test_blanks_without_subtotals_stay_missing(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("\n".join(lines_of({"Won": 4, "Lost": 6, "Open": 3}, totals=False)))
    table = read_source(str(path), "leads")
    assert table.data["Stage"].isna().sum() == 10
    assert not table.notes


def test_a_column_with_more_values_than_groups_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    lines = lines_of({"Won": 4, "Lost": 6}, totals=True)
    lines[2] = lines[2].replace(",Firm", "Other,Firm", 1)
    path.write_text("\n".join(lines))
    stages: pd.Series[str] = read_source(str(path), "leads").data["Stage"]
    assert stages.notna().sum() == 3
