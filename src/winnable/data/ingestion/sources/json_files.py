"""Read JSON, as an API answers it, and JSON lines (NDJSON), into a table of text.

A record is an object; what is nested in it becomes columns of their own ("Owner.Name"), a list
stays JSON. Where an answer says that it is one page of several, so does the part that is read; the
pages of a file, an answer a line, are one table.
Values are not interpreted here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from winnable.core import values
from winnable.core.text import listed
from winnable.data.ingestion.sources.text_table import AnswerPage, TablePart
from winnable.errors import DataError

_USUAL_KEYS = ("records", "data", "results", "result", "value", "items", "leads", "d")
"""Under which APIs answer with their records, the most certain first."""
_WRAPPERS = ("properties", "fields", "attributes")
"""Objects that hold the record's own fields."""
_LINK_OF_SALESFORCE = {"type", "url"}
_ANNOTATION = "@odata."
"""How OData begins the names of what it says about a record, such as its version."""
_MORE = (
    *("has_more", "hasMore", "has-more", "more_records", "more_items_in_collection"),
    *("moreRecords", "nextRecordsUrl", "@odata.nextLink", "odata.nextLink", "__next", "next"),
    *("next_page", "nextPage", "next_cursor", "nextCursor", "nextPageToken", "next_page_token"),
    *("next_url", "next_start"),
)
"""What APIs call the mark that another page follows, or how to ask for it."""
_TOTALS = (
    *("totalSize", "@odata.count", "odata.count", "__count", "total", "total_count", "totalCount"),
    *("total_results", "total_records", "total_items", "totalItems", "totalRecords"),
)
"""What they call the number of all records."""
_ABOUT_PAGES = (
    *("paging", "pagination", "info", "meta", "links", "_links", "additional_data", "cursor"),
    *("page_info", "pageInfo", "page", "d"),
)
"""Objects in which they say so."""
_NUMBERS = ("page", "current_page", "currentPage", "page_number", "pageNumber")
_PAGES = ("total_pages", "totalPages", "last_page", "lastPage", "pages", "page_count")
_OWN_KEY = re.compile(r"(?:.*_)?(?:id|Id|ID|uuid|key|name|Name|email|Email)|\w+I[dD]")
"""What a record has and a page of an answer has not."""
_MAX_DEPTH = 5
_NO_OBJECT = "the record is not a JSON object"
_NOT_READABLE = "the line is not valid JSON"


def is_json(raw: bytes) -> bool:
    """Whether a text begins as JSON does: no CSV has a header such as `[{` or `{"`."""
    return re.match(rb'\s*(?:\{\s*["}]|\[\s*(?:[\[{"\]]|-?[0-9]))', raw[:10_000]) is not None


def read_json(raw: bytes, path: Path, notes: list[str]) -> TablePart:
    """Read JSON in UTF-8: an array of objects, alone or within an object, or an object a line.

    Raises DataError if it is not valid or holds no records; the message shows no value.
    """
    records, page = _records(raw.decode("utf-8", errors="replace"), path)
    broken = {row: record for row, record in enumerate(records) if isinstance(record, str)}
    flat = [_flat(record) for record in records if not isinstance(record, str)]
    if not flat:
        example = next(iter(broken.values()), "there are no records in it")
        raise DataError(f"{path}: this JSON is not a table: {example}. Export an array of objects.")
    names = list(dict.fromkeys(name for record in flat for name in record))
    columns = [
        pa.chunked_array([pa.array([record.get(name) for record in flat], pa.large_string())])
        for name in names
    ]
    return TablePart(names, columns, broken, notes, page)


def _records(text: str, path: Path) -> tuple[list[Mapping[str, Any] | str], AnswerPage | None]:
    """The records, instead of one that cannot be used the reason; and the page of an API's answer
    that they are."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if _is_object(lines[0]) or (len(lines) > 1 and _is_object(lines[1])):
            return _of_pages([_of_line(line) for line in lines])
        raise DataError(
            f"{path}: this is JSON, but not valid: {error.msg} in line {error.lineno:,}, column"
            f" {error.colno:,}. The file may be truncated; export it again."
        ) from None
    except (RecursionError, ValueError):
        raise DataError(
            f"{path}: this is JSON, but too deeply nested, or with a number that is too long."
            " Export an array of objects."
        ) from None
    array = found if isinstance(found, list) else _array_of(found, path)
    records: list[Mapping[str, Any] | str] = [
        record if isinstance(record, dict) else _NO_OBJECT for record in array
    ]
    if isinstance(found, list):
        return _of_pages(records)
    return records, _page(found) if array != [found] else None


def _of_pages(
    answers: Sequence[Mapping[str, Any] | str],
) -> tuple[list[Mapping[str, Any] | str], AnswerPage | None]:
    """The records of all pages where each object is a whole answer, and what these say of further
    ones; else the objects themselves."""
    pages = [answer for answer in answers if not isinstance(answer, str)]
    first = pages[0] if pages else {}
    says_so = any(name in first for name in (*_MORE, *_TOTALS, *_ABOUT_PAGES))
    keys = (*_USUAL_KEYS, *(_arrays(first) if says_so else ()))
    key = next((key for key in keys if pages and all(_is_page(page, key) for page in pages)), None)
    if key is None:
        return list(answers), None
    records: list[Mapping[str, Any] | str] = []
    for answer in answers:
        inner = [answer] if isinstance(answer, str) else answer[key]
        records += [each if isinstance(each, dict | str) else _NO_OBJECT for each in inner]
    told = [_page(answer) for answer in pages]
    total = max((page.total for page in told if page.total is not None), default=None)
    return records, AnswerPage(told[0].more if all(page.more for page in told) else "", total)


def _is_page(answer: Mapping[str, Any], key: str) -> bool:
    """Whether an object is an answer with its records under a key, not a record with a list in
    it."""
    inner = answer.get(key)
    is_list = isinstance(inner, list) and all(isinstance(each, dict) for each in inner)
    return is_list and not any(_OWN_KEY.fullmatch(name) for name in answer)


def _is_object(line: str) -> bool:
    return isinstance(_of_line(line), dict)


def _of_line(line: str) -> Mapping[str, Any] | str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return _NOT_READABLE
    return found if isinstance(found, dict) else _NO_OBJECT


def _array_of(found: Mapping[str, Any], path: Path) -> Sequence[Any]:
    """The records within an API's answer; an object without any is a record itself."""
    arrays = _arrays(found)
    for key in _USUAL_KEYS:
        inner = found.get(key)
        if isinstance(inner, dict):
            inner = next(iter(_arrays(inner).values()), None)
        if isinstance(inner, list):
            return inner
    if len(arrays) > 1:
        raise DataError(
            f"{path}: this JSON holds several tables ({listed(arrays)}); save the one to read as a"
            " file of its own."
        )
    return next(iter(arrays.values()), [found])


def _arrays(found: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    return {
        key: inner
        for key, inner in found.items()
        if isinstance(inner, list) and inner and isinstance(inner[0], dict)
    }


def _page(answer: Mapping[str, Any]) -> AnswerPage:
    """What an answer says about further pages, itself or in an object for it."""
    says: dict[str, Any] = {}
    inner = [answer]
    for _ in range(3):
        for part in inner:
            says = {**part, **says}
        inner = [part[key] for part in inner for key in _ABOUT_PAGES if _is_dict(part, key)]
    more = next((key for key in _MORE if says.get(key)), "")
    if says.get("done") is False:
        more = more or "done"
    number, pages = (_count(says, names) for names in (_NUMBERS, _PAGES))
    if number is not None and pages is not None and number < pages:
        more = more or f"page {number:,} of {pages:,}"
    return AnswerPage(more, _count(says, _TOTALS))


def _is_dict(part: Mapping[str, Any], key: str) -> bool:
    return isinstance(part.get(key), dict)


def _count(says: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """The first of these that is a whole number."""
    found = (says.get(name) for name in names)
    texts = (str(value) for value in found if isinstance(value, (int, str)))
    return next((int(text) for text in texts if text.isdecimal() and len(text) < 16), None)


def _flat(record: Mapping[str, Any]) -> dict[str, str | None]:
    """The record as text, one level deep."""
    cells: dict[str, str | None] = {}
    for name, value in _leaves(record, "", _MAX_DEPTH):
        short = next(
            (name.removeprefix(f"{outer}.") for outer in _WRAPPERS if name.startswith(f"{outer}.")),
            name,
        )
        cells[name if short in cells or short in record else short] = _text(value)
    return cells


def _leaves(record: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if key.startswith(_ANNOTATION):
            continue
        if not isinstance(value, dict) or not depth or not value:
            yield f"{before}{key}", value
        elif key != "attributes" or not value.keys() <= _LINK_OF_SALESFORCE:
            yield from _leaves(value, f"{before}{key}.", depth - 1)


def _text(value: Any) -> str | None:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False) if value else None
    return values.text(value)
