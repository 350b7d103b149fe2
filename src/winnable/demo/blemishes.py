"""Blemishes of the demo data: what careless hands and systems make of clean values (blanks,
"Select", thousands marks, currency signs, mixed date formats).

Everything here affects rows at random, whatever their outcome, so that the way a value is typed
says nothing about it.
"""

from collections.abc import Callable

import numpy as np

from winnable.core.columns import IntArray
from winnable.demo.people import TextArray

_NOTES = (
    "Left a message.",
    "Prefers e-mail.",
    "Met at the fair; wants to see the mobile app.",
    "Back in two weeks.",
    "Asked about the interface to their ERP.",
    'Said: "send me something to read".',
    "Do not call on Fridays.",
)
# Column, share of the rows, what replaces the value.
_HABITS: tuple[tuple[str, float, Callable[[str], str]], ...] = (
    ("Industry", 0.05, lambda _: "Select"),
    ("Industry", 0.02, str.lower),
    ("Industry", 0.02, lambda value: f" {value}"),
    ("Lead Source", 0.04, lambda _: "Select"),
    ("Lead Source", 0.05, lambda _: ""),
    ("Country", 0.02, lambda value: f"{value} "),
    ("Employees", 0.06, lambda _: ""),
    ("Employees", 0.02, lambda _: "n/a"),
    ("Employees", 0.30, lambda value: f"{int(value):,}" if value.isdigit() else value),
    ("Employees", 0.02, lambda value: f"{value} "),
    ("Title", 0.03, str.upper),
    ("Title", 0.03, lambda value: f"{value} "),
    ("Budget", 0.20, lambda value: f"{int(value):,}" if value.isdigit() else value),
    ("Budget", 0.15, lambda value: f"€{value}" if value else value),
    ("Budget", 0.05, lambda value: f"EUR {value}" if value[:1].isdigit() else value),
    ("Timeline", 0.06, lambda value: value or "Select"),
    ("Marketing Consent", 0.05, str.lower),
    ("Email", 0.03, str.upper),
    ("Email", 0.02, lambda value: f"{value} "),
    ("Phone", 0.02, lambda value: value.replace(" ", "-")),
)


def typed(fields: dict[str, TextArray], rng: np.random.Generator) -> dict[str, TextArray]:
    """The same fields as people typed them, and a column of notes."""
    size = len(next(iter(fields.values())))
    result = {name: values.copy() for name, values in fields.items()}
    for name, share, habit in _HABITS:
        for row in np.flatnonzero(rng.random(size) < share):
            result[name][row] = habit(result[name][row])
    notes = np.array(_NOTES, dtype=np.object_)[rng.integers(len(_NOTES), size=size)]
    result["Notes"] = np.where(rng.random(size) < 0.75, "", notes)
    return result


def typed_moments(seconds: IntArray, rng: np.random.Generator) -> list[str]:
    """Times (seconds since 1970) as text: ISO 8601 in UTC, some with another zone's offset, some
    without any (UTC is meant)."""
    utc = np.datetime_as_string(seconds.astype("datetime64[s]"))
    berlin = np.datetime_as_string((seconds + 7200).astype("datetime64[s]"))
    draw = rng.random(len(seconds))
    return [_typed_time(*time_and_draw) for time_and_draw in zip(utc, berlin, draw, strict=True)]


def _typed_time(utc: str, berlin: str, draw: float) -> str:
    if draw < 0.02:
        return f"{berlin}+02:00"
    return utc.replace("T", " ") if draw < 0.04 else f"{utc}Z"
