"""A page of headings, sentences, lists and tables, and its two forms: Markdown, and HTML in one
file that can be forwarded.

What stands on the page is not known here. Whatever words a person wrote in a definition are shown
as words: none of them becomes markup, in either form. Only a `Prose`, a text of our own, may mark
code by backticks. The HTML loads nothing from anywhere.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from winnable.core.files import whole_file
from winnable.errors import DefinitionError


class Prose(str):
    """A text of our own, in which backticks mark code. No words that a person typed belong in
    it."""

    __slots__ = ()


@dataclass(frozen=True)
class Heading:
    """A heading of level 2 or 3; the page's title is its only heading of level 1."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of points."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: each row has as many cells as there are columns; those named in `numbers` are set to
    the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


Block = Heading | Text | Bullets | Table


@dataclass(frozen=True)
class Page:
    """A titled page."""

    title: str
    blocks: tuple[Block, ...]

    def markdown(self) -> str:
        """The page as Markdown (GitHub's tables), ending in a newline."""
        parts = [f"# {_plain(self.title)}", *(_markdown(block) for block in self.blocks)]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """The page as one HTML file, in UTF-8, without scripts or anything to be loaded."""
        title = escape(self.title)
        body = "\n".join(_html(block) for block in self.blocks)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<main>\n"
            f"<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
        )


FORMS = {".html": Page.html, ".htm": Page.html, ".md": Page.markdown}


def check_page(path: Path) -> None:
    """See that the file's ending says a form, before any long work; DefinitionError where it is
    neither .html nor .md."""
    if path.suffix.lower() not in FORMS:
        raise DefinitionError(f"{path}: a page is written as .html or .md; end the file's name so")


def write_page(page: Page, path: Path) -> None:
    """Write the page, whole or not at all, to a file whose ending says the form; DefinitionError
    where that is neither .html nor .md, StoreError where it cannot be written."""
    check_page(path)
    with whole_file(path) as file:
        file.write(FORMS[path.suffix.lower()](page))


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_plain(point)}" for point in block.points)
    rule = ["---:" if column in block.numbers else "---" for column in block.columns]
    rows = [block.columns, *block.rows]
    lines = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _plain(words: str) -> str:
    """Words that Markdown takes as words, on one line."""
    one_line = " ".join(words.split())
    if isinstance(words, Prose):
        parts = _code_parts(one_line)
        escaped = "".join(f"`{part}`" if is_code else _escaped(part) for part, is_code in parts)
    else:
        escaped = _escaped(one_line)
    return re.sub(r"^([#+-]|\d+[.)])(?=\s|$)", r"\\\1", escaped)


def _escaped(words: str) -> str:
    return re.sub(r"([\\`*|<>\[\]~]|(?<!\w)_|_(?!\w))", r"\\\1", words)


def _code_parts(prose: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text of ours that are not empty, and whether each is code."""
    for i, part in enumerate(prose.split("`")):
        if part:
            yield part, i % 2 == 1


def _inline(words: str) -> str:
    """Words as HTML."""
    if not isinstance(words, Prose):
        return escape(words)
    return "".join(
        f"<code>{escape(part)}</code>" if is_code else escape(part)
        for part, is_code in _code_parts(words)
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_inline(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p>{_inline(block.text)}</p>"
    if isinstance(block, Bullets):
        points = "\n".join(f"<li>{_inline(point)}</li>" for point in block.points)
        return f"<ul>\n{points}\n</ul>"
    marks = [' class="number"' if column in block.numbers else "" for column in block.columns]
    head = _cells("th", [f' scope="col"{mark}' for mark in marks], block.columns)
    body = "\n".join(_cells("td", marks, row) for row in block.rows)
    table = f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="wide">{table}</div>'


def _cells(tag: str, marks: Sequence[str], cells: Sequence[str]) -> str:
    row = (f"<{tag}{mark}>{_inline(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True))
    return f"<tr>{''.join(row)}</tr>"


_STYLE = """\
:root {
  color-scheme: light dark;
  --ink: #1c1f23; --paper: #fff; --line: #d5d9de; --soft: #f4f5f7; --accent: #1f5fae;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #16181b; --line: #3a3f45; --soft: #1f2226; --accent: #7fb2f0; }
}
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
}
main { max-width: 48rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 {
  font-size: 1.3rem; margin: 2.2rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--line); color: var(--accent);
}
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1rem; }
th, td {
  text-align: left; vertical-align: top; padding: .4rem .7rem .4rem 0;
  border-bottom: 1px solid var(--line);
}
th { font-weight: 600; }
code { font-size: .92em; background: var(--soft); border-radius: 3px; padding: .05em .3em; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
@media print {
  main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  tr { break-inside: avoid; }
}
"""
