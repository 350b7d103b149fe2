"""HTML templates (Jinja2): everything written into one is escaped, and nothing is loaded before the
first page is asked for."""

import hashlib
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parents[1] / "web" / "pages"
_ASSETS = {"inbox.css": "text/css; charset=utf-8", "inbox.js": "text/javascript; charset=utf-8"}


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """A page in UTF-8. Characters that UTF-8 cannot hold are shown as question marks."""
    return _templates().get_template(template).render(values).encode("utf-8", "replace")


def error_page(status: int, detail: str) -> bytes:
    """What a browser is shown when a request cannot be answered: one file that loads nothing."""
    titles = {404: "Page not found", 500: "Something went wrong"}
    title = titles.get(status, HTTPStatus(status).phrase)
    style = asset("inbox.css")[0].decode()
    return render(
        "error.html", {"title": title, "detail": detail, "status": status, "style": style}
    )


@cache
def asset(name: str) -> tuple[bytes, str, str]:
    """A stylesheet or script: content, media type, and a short digest that is part of its address.
    `KeyError` if unknown."""
    media_type = _ASSETS[name]
    content = (FOLDER / name).read_bytes()
    return content, media_type, hashlib.sha256(content).hexdigest()[:12]


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["assets"] = {name: f"/inbox/{name}?v={asset(name)[2]}" for name in _ASSETS}
    return made
