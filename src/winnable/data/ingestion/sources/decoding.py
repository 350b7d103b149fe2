"""From the bytes of a text file to UTF-8: gzip and zstd are unpacked, the encoding is recognized.

An encoding is recognized by its byte order mark, as UTF-8 or UTF-16 by its form, else by its
letters: other scripts than the Latin one by charset-normalizer, and the code pages of the Latin
script by the alphabets that their letters fit, because charset-normalizer takes French for Czech.
"""

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from charset_normalizer import from_bytes

from winnable.core.text import counted
from winnable.errors import DataError

_SAMPLE_BYTES = 1 << 20
_MAX_WORDS = 2_000
_OTHER_SCRIPTS = (
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp866",
    "iso8859_5",
    "cp1253",
    "iso8859_7",
    "cp1255",
    "cp1256",
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "cp949",
)
_ALPHABETS = {
    "western": (
        "äöüß",
        "àâæçéèêëîïôœùûüÿ",
        "áéíñóúü",
        "ãâáàçéêíóôõú",
        "àéèìòóù",
        "àçèéíïòóúü",
        "áäéèëïíöóüú",
        "åäöé",
        "æøåéü",
        "áðéíóúýþæö",
    ),
    "central": (
        "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž",
        "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű",
        "ăâîşţșț",
        "čćđšž",
    ),
    "turkish": ("çğıöşüâîİ",),
    "baltic": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
"""The letters beside a to z of the languages that a group of code pages is for."""
_LATIN = {
    "cp1252": "western",
    "cp1254": "turkish",
    "cp1257": "baltic",
    "cp1250": "central",
    "iso8859_2": "central",
    "iso8859_15": "western",
    "mac_roman": "western",
    "cp850": "western",
}
"""Code pages and their languages; of equally good ones the first counts."""
_MARKS = frozenset("€£§°·«»„“”‘’‚–—…®©™¡¿ªº²³½\xa0")
"""Characters that stand beside letters, seldom within a word."""
_NAMES = {
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1252": "Windows-1252 (Western European)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "mac_roman": "Mac Roman",
}
_MIN_LEAD = 0.02
"""By how much more of the letters another code page must fit than Windows-1252."""
_MIXED_LANGUAGES = 0.96
"""What the letters of several Western languages together weigh against those of one."""
_MIN_FIT = {"cp1252": 0.75, "other": 0.95}
"""Of the letters; less means that none of the Latin code pages is right. Western exports have names
from everywhere."""
_OTHER_SCRIPT_SHARE = 0.6
"""Words of other scripts consist of letters beyond ASCII, Latin words have few of them."""
_MIN_OTHER_SCRIPT_BYTES = 6
_MAX_DAMAGED_SHARE = 0.01
_DAMAGED = "\ufffd"
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")


def unpacked(raw: bytes, path: Path) -> bytes:
    """The content of a gzip or zstd file; other bytes as they are. DataError if it is damaged."""
    try:
        if raw.startswith(b"\x1f\x8b"):
            return gzip.decompress(raw)
        if raw.startswith(b"\x28\xb5\x2f\xfd"):
            return bytes(pa.input_stream(pa.BufferReader(raw), compression="zstd").read())
    except (OSError, EOFError, zlib.error) as error:
        kind = "gzip" if raw.startswith(b"\x1f") else "zstd"
        raise DataError(
            f"{path}: the {kind} file is damaged or truncated ({error}); export it again."
        ) from error
    return raw


def as_utf8(raw: bytes, path: Path, given: str | None, notes: list[str]) -> bytes:
    """The text as UTF-8 without a byte order mark, from the `given` encoding or the recognized
    one; a guess is added to the notes.

    Raises DataError if the bytes are no text, or not in the given encoding.
    """
    if given is not None:
        return _from_given(raw, path, given)
    if raw.startswith(codecs.BOM_UTF8):
        return raw[len(codecs.BOM_UTF8) :]
    encoding = _wide_encoding(raw)
    if encoding is None:
        _refuse_binary(raw[:_SAMPLE_BYTES], path)
        try:
            codecs.lookup("utf-8").decode(raw)
            return raw
        except UnicodeDecodeError:
            damaged = _mended(raw, path, notes)
        if damaged is not None:
            return damaged
        encoding = _code_page(raw)
        notes.append(
            f"{path.name} is not UTF-8; it was read as {_NAMES.get(encoding, encoding)}. If"
            " letters are wrong, name its encoding with --encoding."
        )
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise DataError(
            f"{path}: the encoding of the text is not recognized; name it with --encoding, or save"
            " the file as UTF-8."
        ) from error


def _from_given(raw: bytes, path: Path, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError as error:
        raise DataError(
            f"{path}: the text is not in the encoding {encoding}; leave out --encoding to have it"
            " recognized, or name another."
        ) from error


def _refuse_binary(sample: bytes, path: Path) -> None:
    control_characters = bytes({*range(9), *range(14, 27), 28, 29, 30, 31, 127})
    control_count = len(sample) - len(sample.translate(None, control_characters))
    if b"\0" in sample or control_count > len(sample) / 100:
        raise DataError(
            f"{path}: this is a binary file, not a table; expected CSV, JSON, Excel, Parquet, Arrow"
            " or a database URL."
        )


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or UTF-16 without one by the positions of its
    NULs."""
    for byte_order_mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(byte_order_mark):
            return encoding
    sample = raw[:2000]
    pairs = len(sample) // 2
    for encoding, nuls, others in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if pairs and nuls.count(0) > 0.7 * pairs and others.count(0) == 0:
            return encoding
    return None


def _mended(raw: bytes, path: Path, notes: list[str]) -> bytes | None:
    """UTF-8 with a few damaged characters, which are replaced; None if it is something else."""
    sample = _beyond_ascii(raw).decode("utf-8", errors="replace")
    if _damaged_share(sample.rstrip(_DAMAGED)) > _MAX_DAMAGED_SHARE:
        return None
    text = raw.decode("utf-8", errors="replace")
    if _damaged_share(text) > _MAX_DAMAGED_SHARE:
        return None
    notes.append(
        f"{path.name}: {counted(text.count(_DAMAGED), 'damaged character')} replaced by {_DAMAGED}."
    )
    return text.encode("utf-8")


def _damaged_share(text: str) -> float:
    """The share of the characters beyond ASCII that could not be read."""
    return text.count(_DAMAGED) / max(len(re.findall(r"[^\x00-\x7f]", text)), 1)


def _beyond_ascii(raw: bytes) -> bytes:
    """A sample from where the first byte beyond ASCII stands."""
    start = re.search(rb"[\x80-\xff]", raw)
    first = 0 if start is None else max(start.start() - 100, 0)
    return raw[first : first + _SAMPLE_BYTES]


def _code_page(raw: bytes) -> str:
    """The encoding whose letters the words beyond ASCII fit best; Windows-1252 without
    evidence."""
    words = list(dict.fromkeys(_WORD.findall(_beyond_ascii(raw))))[:_MAX_WORDS]
    joined = b" ".join(words)
    letters = len(joined.replace(b" ", b""))
    beyond_ascii = len(re.findall(rb"[\x80-\xff]", joined))
    fits = {
        page: _fit(joined.decode(page, errors="replace"), _ALPHABETS[languages])
        for page, languages in _LATIN.items()
        if _decodes(joined, page)
    }
    best_page = max(fits, key=lambda page: fits[page], default="cp1252")
    best_fit = fits.get(best_page, 0.0)
    least = _MIN_FIT["cp1252" if best_page == "cp1252" else "other"]
    seems_other_script = best_fit < least or beyond_ascii > _OTHER_SCRIPT_SHARE * letters
    if seems_other_script and beyond_ascii >= _MIN_OTHER_SCRIPT_BYTES:
        best = from_bytes(joined, cp_isolation=list(_OTHER_SCRIPTS)).best()
        if best is not None and _decodes(raw, best.encoding):
            return best.encoding
    is_better = best_fit > fits.get("cp1252", 0.0) + _MIN_LEAD
    return best_page if is_better and _decodes(raw, best_page) else "cp1252"


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
        return True
    except UnicodeError:
        return False


def _fit(words: str, alphabets: Iterable[str]) -> float:
    """The share of the characters beyond ASCII that are letters of one of the languages, or of a
    few of them together."""
    counts: Counter[str] = Counter()
    marks = 0
    padded = f" {words} "
    for before, character, after in zip(padded, padded[1:], padded[2:], strict=False):
        if character.isascii():
            continue
        within_word = before.isalpha() and after.isalpha()
        if character in _MARKS and (not within_word or character == "’"):
            marks += 1
        else:
            counts[character.lower() if len(character.lower()) == 1 else character] += 1
    size = max(counts.total(), 1)
    shares = [sum(counts[letter] for letter in letters) / size for letters in alphabets]
    together = sum(counts[letter] for letter in set("".join(alphabets)))
    return max(*shares, 0.0, _MIXED_LANGUAGES * together / size) if counts else float(marks > 0)
