"""A table that is written in any format, encoding, decimal mark and order of dates is read back as
the same table."""

import datetime as dt
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.ingestion.sources.workbooks import ods, xlsx
from winnable.data.ingestion.dates import read_dates
from winnable.data.ingestion.parsing import parse_numbers
from winnable.data.ingestion.rejects import Findings
from winnable.data.ingestion.sources.source import read_source

LETTERS = {
    "utf-8": ("Köln", "Łódź", "Москва", "北京", "Αθήνα", "🎉"),
    "utf-8-sig": ("Köln", "Łódź", "Москва", "北京", "Αθήνα", "🎉"),
    "utf-16": ("Köln", "Łódź", "Москва", "北京", "Αθήνα", "🎉"),
    "cp1252": ("Köln", "Hélène", "Muñoz", "Søren", "São Paulo", "Größe"),
    "cp1250": ("Łódź", "Źródło", "Wrocław", "Właściciel", "Śląsk", "Spółka"),
    "cp1251": ("Москва", "Сделка", "Рекомендация", "Иванов", "Звонок", "Реклама"),
    "cp1253": ("Αθήνα", "Πηγή", "Θεσσαλονίκη", "Εταιρεία", "Πάτρα", "Κερδισμένο"),
    "cp1255": ("תל אביב", "ירושלים", "חיפה", "מקור הליד", "נסגר בהצלחה", "כהן"),
    "cp1256": ("دبي", "القاهرة", "الرياض", "مصدر العميل", "تم الفوز", "محمد"),
    "cp932": ("東京都", "株式会社", "ウェブサイト", "佐藤", "展示会", "受注"),
    "euc_jp": ("大阪府", "有限会社", "ウェブ広告", "鈴木", "お問い合わせ", "失注"),
    "gb18030": ("北京市", "有限公司", "网站", "王伟", "展会", "成交"),
    "big5": ("台北市", "有限公司", "網站", "陳美玲", "展覽會", "成交"),
    "euc_kr": ("서울", "주식회사", "웹사이트", "김철수", "전시회", "수주"),
    "cp1254": ("İstanbul", "Müşteri", "Çağrı", "Güneş", "Satış", "Yılmaz"),
    "cp1257": ("Šaltinis", "Įmonė", "Žemaitis", "Šiauliai", "Panevėžys", "Ąžuolas"),
    "mac_roman": ("Köln", "Hélène", "Muñoz", "Größe", "Müller", "François"),
    "iso8859_2": ("Łódź", "Źródło", "Wrocław", "Właściciel", "Śląsk", "Spółka"),
}
"""Words in the letters of the languages that an encoding is for."""
EAST_ASIAN = ("cp932", "euc_jp", "gb18030", "big5", "euc_kr")
"""Encodings without a blank that does not break the line."""
NUMBERS = {
    "1234.5": lambda value: f"{value:.2f}",
    "1,234.5": lambda value: f"{value:,.2f}",
    "1234,5": lambda value: f"{value:.2f}".replace(".", ","),
    "1.234,5": lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")),
    "1 234,5": lambda value: f"{value:,.2f}".translate(str.maketrans(",.", "\u00a0,")),
}
DATES = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y",
    "%m/%d/%Y %I:%M %p",
    "%Y/%m/%d",
    "%d %b %Y",
)


@dataclass(frozen=True)
class Truth:
    """A table: ids, words, amounts and days; row 0 has a day after the 12th, and cents."""

    words: Sequence[str | None]
    amounts: Sequence[float]
    days: Sequence[dt.datetime]

    @property
    def ids(self) -> list[str]:
        """Ids with leading zeros."""
        return [f"{row:05d}" for row in range(len(self.words))]


def truths(letters: Sequence[str]) -> st.SearchStrategy[Truth]:
    """Tables with each of the words at least once."""
    word = st.sampled_from((*letters, 'says "no"', "a;b,c|d\te", "two\nlines", None))
    row = st.tuples(
        word,
        st.integers(0, 99_999_999).map(lambda cents: cents / 100),
        st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2060, 1, 1)),
    )
    sure = [
        (word, 12_345.67 + place, dt.datetime(2024, 3, 13 + place))
        for place, word in enumerate(letters)
    ]
    return st.lists(row, max_size=8).map(
        lambda rows: Truth(
            [word for word, _, _ in (*sure, *rows)],
            [amount for _, amount, _ in (*sure, *rows)],
            [
                day.replace(hour=9, minute=30, second=0, microsecond=0)
                for _, _, day in (*sure, *rows)
            ],
        )
    )


def check(path: Path, truth: Truth) -> None:
    """Reads the file and compares; days, because not every format has hours."""
    table = read_source(str(path), "leads")
    assert list(table.data.columns) == ["Lead ID", "Name", "Amount", "Created"]
    assert not table.broken
    assert table.data["Lead ID"].tolist() == truth.ids
    names = table.data["Name"].astype(object).where(table.data["Name"].notna(), None)
    assert [name and name.replace("\r\n", "\n") for name in names] == list(truth.words)
    assert np.allclose(parse_numbers(table.data["Amount"]), truth.amounts)
    dated = read_dates({"created": table.data["Created"]}, "leads", Findings(), strict=True)
    assert dated["created"].dt.date.tolist() == [day.date() for day in truth.days]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_text_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(sorted(LETTERS)))
    truth = data.draw(truths(LETTERS[encoding]))
    number = NUMBERS[data.draw(st.sampled_from(sorted(NUMBERS)))]
    date = data.draw(st.sampled_from(DATES))
    frame = pd.DataFrame(
        {
            "Lead ID": truth.ids,
            "Name": truth.words,
            "Amount": [number(amount) for amount in truth.amounts],
            "Created": [day.strftime(date) for day in truth.days],
        }
    )
    written = io.StringIO()
    separator = data.draw(st.sampled_from(",;\t|"))
    line_end = data.draw(st.sampled_from(("\n", "\r\n")))
    frame.to_csv(written, index=False, sep=separator, lineterminator=line_end)
    titles = data.draw(st.sampled_from(("", "Lead report\nAs of 2026-07-05\n\n")))
    text = titles.replace("\n", line_end) + written.getvalue()
    if encoding in EAST_ASIAN:
        text = text.replace("\xa0", " ")
    raw = text.encode(encoding)
    path = tmp_path_factory.mktemp("text") / "leads.csv"
    path.write_bytes(data.draw(st.sampled_from((bytes, gzip.compress, _zstd)))(raw))
    check(path, truth)


def _zstd(raw: bytes) -> bytes:
    return bytes(pa.compress(raw, codec="zstd", asbytes=True))


def _records(truth: Truth) -> list[dict[str, object]]:
    return [
        {"Lead ID": lead, "Name": word, "Amount": amount, "Created": day.isoformat()}
        for lead, word, amount, day in zip(
            truth.ids, truth.words, truth.amounts, truth.days, strict=True
        )
    ]


def _arrow(truth: Truth) -> pa.Table:
    return pa.table(
        {
            "Lead ID": truth.ids,
            "Name": pa.array(truth.words, pa.string()),
            "Amount": truth.amounts,
            "Created": pa.array(truth.days, pa.timestamp("us")),
        }
    )


def _parquet(truth: Truth) -> bytes:
    sink = io.BytesIO()
    _arrow(truth).to_pandas().to_parquet(sink)
    return sink.getvalue()


def _ipc(truth: Truth) -> bytes:
    sink = io.BytesIO()
    with pyarrow.ipc.new_file(sink, _arrow(truth).schema) as writer:
        writer.write_table(_arrow(truth))
    return sink.getvalue()


def _rows(truth: Truth) -> list[list[object]]:
    rows = zip(truth.ids, truth.words, truth.amounts, truth.days, strict=True)
    return [["Lead ID", "Name", "Amount", "Created"], *map(list, rows)]


WRITERS: dict[str, Callable[[Truth], bytes]] = {
    "json": lambda truth: json.dumps(_records(truth)).encode(),
    "json of an API": lambda truth: json.dumps({"records": _records(truth)}).encode("utf-16"),
    "ndjson": lambda truth: "\n".join(
        json.dumps(record, ensure_ascii=False) for record in _records(truth)
    ).encode(),
    "ndjson, packed": lambda truth: _zstd("\n".join(map(json.dumps, _records(truth))).encode()),
    "xlsx": lambda truth: xlsx({"Sheet1": _rows(truth)}),
    "xlsx with titles": lambda truth: xlsx({"Sheet1": [["Lead report"], [], *_rows(truth)]}),
    "ods": lambda truth: ods({"Sheet1": _rows(truth)}),
    "parquet": _parquet,
    "arrow": _ipc,
}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_other_format_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    truth = data.draw(truths(LETTERS["utf-8"]))
    written = WRITERS[data.draw(st.sampled_from(sorted(WRITERS)))](truth)
    path = tmp_path_factory.mktemp("format") / data.draw(st.sampled_from(("leads", "leads.csv")))
    path.write_bytes(written)
    check(path, truth)
