"""The encoding of an export is recognized by its letters, however short it is, or named."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import read_source
from winnable.errors import DataError

WESTERN = {
    "German": ("Köln", "Müller", "Größe"),
    "French": ("Hélène", "Île-de-France", "Étape", "François"),
    "Spanish": ("Muñoz", "Compañía", "Pérdida"),
    "Portuguese": ("São Paulo", "Conceição", "Ação"),
    "Italian": ("Società", "Perché"),
    "Swedish": ("Åsa", "Malmö", "Förlorad"),
    "Danish": ("Søren", "København", "Ærø"),
    "mixed": ("Müller", "Muñoz", "Søren", "Hélène", "São Paulo", "O’Neill – Söhne"),
}
OTHERS = {
    "cp1250": ("Łódź", "Źródło", "Wrocław", "Właściciel", "Śląsk", "Spółka"),
    "cp1251": ("Успешно", "Провалена", "Москва", "Этап сделки"),
    "cp1253": ("Αθήνα", "Κερδισμένο", "Θεσσαλονίκη", "Εταιρεία"),
    "cp1254": ("İstanbul", "Kazanıldı", "Müşteri", "Çağrı", "Güneş"),
    "cp1257": ("Laimėta", "Šaltinis", "Įmonė", "Žemaitis", "Šiauliai"),
    "mac_roman": ("Müller", "Größe", "Hélène", "Muñoz"),
    "iso8859_2": ("Łódź", "Źródło", "Wrocław", "Śląsk", "Właściciel"),
    "iso8859_7": ("Αθήνα", "Κερδισμένο", "Θεσσαλονίκη", "Εταιρεία"),
    "koi8_r": ("Успешно", "Провалена", "Москва", "Этап сделки"),
    "cp1255": ("תל אביב", "נסגר בהצלחה", "אבוד", "ירושלים", "מקור הליד"),
    "cp1256": ("دبي", "تم الفوز", "خسارة", "القاهرة", "مصدر العميل"),
    "iso8859_6": ("القاهرة", "تم الفوز", "خسارة", "مصدر العميل"),
    "euc_jp": ("東京", "成約", "失注", "展示会", "会社"),
    "big5": ("台北市", "成交", "流失", "客戶", "來源"),
    "euc_kr": ("서울", "수주", "실주", "진행중", "고객"),
    "cp932": ("東京", "成約", "失注", "展示会", "会社"),
    "gb18030": ("来源", "北京", "成交", "上海", "客户", "公司", "规模"),
}


def cells(
    folder: Path, words: tuple[str, ...], written: str, encoding: str | None = None
) -> list[str]:
    """What is read of an export that has these words."""
    rows = [f"{row},{word},2025-03-{row + 1:02d}" for row, word in enumerate(words)]
    path = folder / "leads.csv"
    path.write_bytes("\n".join(["ID,Name,Created", *rows, ""]).encode(written))
    return read_source(str(path), "leads", ReadOptions(encoding)).data["Name"].tolist()


@pytest.mark.parametrize("language", WESTERN)
@pytest.mark.parametrize("least", [1, 2, 6])
def test_western_exports_stay_western_however_short(
    tmp_path: Path, language: str, least: int
) -> None:
    words = WESTERN[language][:least]
    assert cells(tmp_path, words, "cp1252") == list(words)


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_code_pages_are_recognized(tmp_path: Path, encoding: str) -> None:
    assert cells(tmp_path, OTHERS[encoding], encoding) == list(OTHERS[encoding])


@pytest.mark.parametrize(
    ("words", "encoding"),
    [(("失注",), "euc_jp"), (("受注", "失注"), "cp932"), (("수주", "실주"), "euc_kr")],
)
def test_too_few_characters_to_tell_the_encoding_are_refused_in_a_sentence(
    tmp_path: Path, words: tuple[str, ...], encoding: str
) -> None:
    with pytest.raises(DataError, match="not recognized; name it with --encoding") as refused:
        cells(tmp_path, words, encoding)
    assert str(refused.value).count(".") <= 2
    assert cells(tmp_path, words, encoding, encoding=encoding) == list(words)


def test_a_guess_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes("ID,Этап\n1,Успешно\n2,Провалена\n".encode("cp1251"))
    (note,) = read_source(str(path), "leads").notes
    assert "Windows-1251 (Cyrillic)" in note
    assert "--encoding" in note


def test_a_named_encoding_is_used(tmp_path: Path) -> None:
    hungarian = ("Szűcs",)
    assert cells(tmp_path, hungarian, "cp1250") != list(hungarian)
    assert cells(tmp_path, hungarian, "cp1250", encoding="windows-1250") == list(hungarian)


@pytest.mark.parametrize("name", ["utf-9", "rot13", "hex", ""])
def test_what_is_no_encoding_is_named(name: str) -> None:
    with pytest.raises(DataError, match="there is no such encoding"):
        ReadOptions(encoding=name)


def test_a_wrong_encoding_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not in the encoding ascii"):
        cells(tmp_path, ("Köln",), "utf-8", encoding="ascii")


def test_utf_8_with_a_damaged_character_stays_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"ID,Name\n" + "1,Köln\n".encode() * 200 + b"2,M\xfcller\n")
    table = read_source(str(path), "leads")
    assert table.data["Name"].iloc[0] == "Köln"
    assert "1 damaged" in table.notes[0]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_packed_files_are_read_and_damaged_ones_are_said(tmp_path: Path, packing: str) -> None:
    raw = b"ID,Name\n" + b"1,Ann\n2,Bob\n" * 500
    packed = (
        gzip.compress(raw, mtime=0)
        if packing == "gzip"
        else pa.compress(raw, codec="zstd", asbytes=True)
    )
    path = tmp_path / "leads.csv"
    path.write_bytes(packed + packed)
    assert len(read_source(str(path), "leads").data) == 2001
    path.write_bytes(packed[:-4])
    with pytest.raises(DataError, match=f"the {packing} file is damaged or truncated"):
        read_source(str(path), "leads")
