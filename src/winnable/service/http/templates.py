"""Pages from templates: everything written into one is escaped, and nothing is loaded before the
first page is asked for."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from jinja2 import Environment

    from winnable.data.feedback.store.records import Label
    from winnable.data.feedback.store.store import FeedbackStore
    from winnable.learning.scoring.predictor import Predictor
    from winnable.service.http.keys import Keys
    from winnable.service.web.sessions import Sessions

FOLDER = Path(__file__).parents[1] / "web" / "pages"
_ASSETS = {"inbox.css": "text/css; charset=utf-8", "inbox.js": "text/javascript; charset=utf-8"}


class Pages:
    """The inbox, made when its first page is asked for; until then neither templates nor a database
    are loaded."""

    def __init__(
        self,
        sessions: "Sessions",
        keys: "Keys",
        feedback: "Callable[[], FeedbackStore]",
        current: "Callable[[], Predictor]",
        hear: "Callable[[Label, str | None], Label]",
    ) -> None:
        self._parts = (sessions, keys, feedback, current, hear)
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._router is None:
            self._router = await run_in_threadpool(self._made)
        await self._router(scope, receive, send)

    def _made(self) -> Router:
        from winnable.service.web.inbox import InboxPages

        return Router(InboxPages(*self._parts).routes(), redirect_slashes=False)


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
