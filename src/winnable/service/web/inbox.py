"""The pages for sales and marketing: the lists of leads, a lead's own page, that of its account,
signing in and out, and what the forms do.

Plain forms that redirect to a page, so that everything works without a script. Every page needs a
session, every form its token. What the pages show is made in `lead_list`, `lead_page`,
`account_page` and `results`; how they look lies in `pages`.
"""

import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from winnable.data.feedback.store.audit import Actor
from winnable.data.feedback.store.records import Label, LabelName
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, LabelError, StoreError
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.guards.wrong_keys import WrongKeys
from winnable.service.http.keys import Keys
from winnable.service.http.middleware import KEY_NAME
from winnable.service.http.problems import HTTPProblem
from winnable.service.http.templates import asset, render
from winnable.service.web.account_page import account_detail
from winnable.service.web.forms import local, read_form
from winnable.service.web.lead_csv import leads_csv
from winnable.service.web.lead_list import FilterValues, InboxQuery, lead_list
from winnable.service.web.lead_page import SCORES_SHOWN, lead_detail
from winnable.service.web.lead_view import ACCOUNTS, label_text
from winnable.service.web.results import results
from winnable.service.web.sessions import (
    COOKIE,
    Session,
    Sessions,
    keep_session,
)
from winnable.service.web.sign_in.id_token import MAX_NAME_CHARACTERS

Found = TypeVar("Found")
MESSAGE_COOKIE = "winnable_message"
"""What came of the last form, shown once."""

MESSAGE_COOKIE_SECONDS = 60
MAX_MESSAGE_CHARACTERS = 300
"""Of each part of the message."""

_BUTTONS: frozenset[str] = frozenset({"accepted", "won", "lost", "junk"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "same-origin",  # with none at all, browsers hide where a form comes from
}
_WRONG_KEY = (
    "This key is unknown, or does not allow signing in here. Check it for extra spaces, or ask for"
    " a new one."
)


class AskStore(Protocol):
    """Asks the feedback store in a thread that is kept for reading."""

    async def __call__(self, ask: Callable[[FeedbackStore], Found]) -> Found:
        """What it says. `StoreError` if it cannot be read."""


class InboxPages:
    """The pages of one service. `read` asks its store, `current` gives the live predictor,
    `save_label` keeps a label under an idempotency key, for whoever gives it."""

    def __init__(
        self,
        sessions: Sessions,
        keys: Keys,
        read: AskStore,
        current: Callable[[], Predictor],
        save_label: Callable[[Label, str | None, Actor], Label],
        wrong_keys: WrongKeys,
    ) -> None:
        self._wrong_keys = wrong_keys
        self._sessions = sessions
        self._keys = keys
        self._ask_store = read
        self._current = current
        self._save_label = save_label
        self._filter_values = FilterValues()

    def routes(self) -> list[Route]:
        """Where the pages are."""
        return [
            Route("/", self.inbox),
            Route("/inbox/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/inbox/sign-out", self.sign_out, methods=["POST"]),
            Route("/inbox/leads/{lead_id:path}", self.lead),
            Route("/inbox/accounts/{account:path}", self.account),
            Route("/inbox/leads.csv", self.leads_csv),
            Route("/inbox/label", self.label, methods=["POST"]),
            Route("/inbox/undo", self.undo, methods=["POST"]),
            Route("/inbox/results", self.results),
            Route("/inbox/inbox.{kind:str}", self.asset),
        ]

    async def inbox(self, request: Request) -> Response:
        """The list of leads."""
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request)
        query = InboxQuery.of(request.query_params)
        predictor = self._current()
        horizon = predictor.card.horizon_days
        leads = await self._read(
            lambda store: lead_list(
                store, query, predictor.definition, horizon, session.by, self._filter_values
            )
        )
        values = {
            "list": leads,
            "reasons": predictor.definition.feedback.every,
            "once": secrets.token_urlsafe(9),
        }
        here = "marketing" if query.for_marketing else "inbox"
        return self._page(request, "inbox.html", session, here, values)

    async def leads_csv(self, request: Request) -> Response:
        """A list of leads as a CSV file to keep; who took it is in the audit trail."""
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request)
        query = InboxQuery.of(request.query_params)
        definition = self._current().definition
        exported = await self._read(lambda store: leads_csv(store, query, definition))
        actor = _actor(request, session.by, session.key)
        detail = f"{exported.leads} of the list {query.show}"
        await self._read(lambda store: store.record(actor, "exported leads", None, detail))
        name = f'attachment; filename="leads-{query.show}.csv"'
        headers = {**_HEADERS, "content-disposition": name, "cache-control": "no-store"}
        return Response(exported.content, 200, headers, "text/csv; charset=utf-8")

    async def lead(self, request: Request) -> Response:
        """A lead's own page."""
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request)
        lead_id = request.path_params["lead_id"]
        predictor = self._current()
        history = await self._read(lambda store: store.lead(lead_id, SCORES_SHOWN))
        if history is None:
            raise HTTPProblem(
                404, "No lead has this ID. It may have been erased, or was never scored."
            )
        horizon = predictor.card.horizon_days
        values = {
            "detail": lead_detail(history, predictor.definition, horizon, session.by),
            "reasons": predictor.definition.feedback.every,
            "once": secrets.token_urlsafe(9),
            **_way_back(request),
        }
        return self._page(request, "lead.html", session, "lead", values)

    async def account(self, request: Request) -> Response:
        """An account's own page."""
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request)
        key = request.path_params["account"].replace("\x00", "")  # which no database takes
        predictor = self._current()
        found = await self._read(lambda store: store.account(key))
        if found is None:
            raise HTTPProblem(
                404,
                "No lead is known of this account. Its leads may have been erased, or belong to"
                " another account since their last score.",
            )
        detail = account_detail(found, key, predictor.definition, predictor.card, session.by)
        values = {"account": detail, **_way_back(request)}
        return self._page(request, "account.html", session, "account", values)

    async def label(self, request: Request) -> Response:
        """Save an answer, and go back to where it was given."""
        session, form = await self._form(request)
        reasons = self._current().definition.feedback.every
        reason = form.get("rejected")
        name = form.get("label", "") if reason is None else "rejected"
        is_listed = reason in reasons if reasons else reason is None
        if name not in _BUTTONS and not (name == "rejected" and is_listed):
            raise HTTPProblem(
                422, "The form has no known answer, or a reason that the definition does not list."
            )
        label = Label(
            form.get("lead_id", ""),
            cast(LabelName, name),
            session.by,
            reason=reason,
            note=form.get("note"),
            score_id=form.get("score_id"),
            origin="inbox",
        )
        once = f"{session.nonce} {form.get('once', '')} {name} {reason} {label.lead_id}"
        key = blake2b(once.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return await self._save(request, session, label, f"inbox {key}", form)

    async def undo(self, request: Request) -> Response:
        """Undo one's own answer."""
        session, form = await self._form(request)
        lead_id = form.get("lead_id", "")
        label_id = form.get("label_id", "")
        labels = await self._read(lambda store: store.labels(lead_id))
        if not any(label.label_id == label_id and label.by == session.by for label in labels):
            raise HTTPProblem(403, "Only the person who gave an answer can undo it.")
        label = Label(lead_id, "withdrawn", session.by, replaces=label_id, origin="inbox")
        return await self._save(request, session, label, None, form)

    async def sign_in(self, request: Request) -> Response:
        """The sign-in page, and what it sends."""
        if request.method != "POST":
            return self._sign_in_page(request, local(request.query_params.get("next", "/")))
        form = await read_form(request)
        by = " ".join(form.get("by", "").split())[:MAX_NAME_CHARACTERS]
        to = local(form.get("next", "/"))
        if not by:
            return self._sign_in_page(request, to, fault="Please enter your name.")
        cookie = self._open(form.get("key", "").strip(), by)
        if cookie is None:
            await self._wrong_keys.slow_down(request.scope)
            return self._sign_in_page(request, to, by, _WRONG_KEY)
        request.scope[KEY_NAME] = cookie.partition(".")[0]
        actor = _actor(request, by, cookie.partition(".")[0])
        await self._read(lambda store: store.record(actor, "signed in"))
        response = RedirectResponse(to, 303, _HEADERS)
        keep_session(response, cookie, secure=_is_secure(request))
        return response

    async def sign_out(self, request: Request) -> Response:
        """Forget the session in this browser."""
        await self._form(request)
        response = RedirectResponse("/inbox/sign-in", 303, _HEADERS)
        response.delete_cookie(COOKIE, "/")
        return response

    async def asset(self, request: Request) -> Response:
        """The stylesheet or the script, whose addresses change with their content."""
        try:
            content, media_type, _ = asset(f"inbox.{request.path_params['kind']}")
        except KeyError:
            raise HTTPProblem(404, "There is nothing at this path.") from None
        return Response(
            content, 200, {"cache-control": "public, max-age=31536000, immutable"}, media_type
        )

    async def results(self, request: Request) -> Response:
        """Does it work?"""
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request)
        predictor = self._current()
        found = await self._read(lambda store: results(store, predictor))
        return self._page(request, "results.html", session, "results", {"results": found})

    def _session(self, request: Request) -> Session | None:
        try:
            session = self._sessions.read(request.cookies.get(COOKIE))
        except StoreError:
            raise _unusable() from None
        if session is not None:
            request.scope[KEY_NAME] = session.key
        return session

    def _open(self, secret: str, by: str) -> str | None:
        try:
            return self._sessions.open(secret, by)
        except StoreError:
            raise _unusable() from None

    async def _form(self, request: Request) -> tuple[Session, dict[str, str]]:
        """The fields of a form of this session. `HTTPProblem` for any other."""
        form = await read_form(request)
        session = self._session(request)
        if session is None:
            raise HTTPProblem(403, "Your session has ended; nothing was saved. Sign in again.")
        if not self._sessions.holds(session, form.get("token", "")):
            raise HTTPProblem(
                403,
                "The form does not belong to your session; nothing was saved. Reload the page and"
                " try again.",
            )
        return session, form

    async def _read(self, ask: Callable[[FeedbackStore], Found]) -> Found:
        try:
            return await self._ask_store(ask)
        except StoreError:
            raise _unusable() from None

    async def _save(
        self,
        request: Request,
        session: Session,
        label: Label,
        key: str | None,
        form: Mapping[str, str],
    ) -> Response:
        """Save a label; the page that is shown next has a message of what came of it."""
        actor = _actor(request, session.by, session.key)
        try:
            saved = await run_in_threadpool(self._save_label, label, key, actor)
        except StoreError:
            raise _unusable() from None
        except (DataError, LabelError) as error:
            message = {"text": f"Not saved: {error}", "fault": "yes"}
        else:
            message = {"text": f"{label_text(saved)}: {form.get('name') or saved.lead_id}"}
            if saved.label != "withdrawn":
                message |= {"label_id": saved.label_id, "lead_id": saved.lead_id}
        then = form.get("then", "")
        is_anchor = then.startswith("lead-") and then.isascii() and then[5:].isalnum()
        place = f"#{then}" if is_anchor else ""
        response = RedirectResponse(local(form.get("back", "/")) + place, 303, _HEADERS)
        _set_message(response, message, request)
        return response

    def _page(
        self,
        request: Request,
        template: str,
        session: Session | None,
        here: str,
        values: Mapping[str, Any],
    ) -> Response:
        message = dict(parse_qsl(request.cookies.get(MESSAGE_COOKIE, "")))
        common = {
            "session": session,
            "token": "" if session is None else self._sessions.token(session),
            "here": here,
            "address": _path_of(str(request.url), request),
            "message": {
                name: message.get(name, "") for name in ("text", "fault", "label_id", "lead_id")
            },
        }
        response = Response(
            render(template, {**common, **values}), 200, _HEADERS, "text/html; charset=utf-8"
        )
        if message:
            response.delete_cookie(MESSAGE_COOKIE, "/")
        return response

    def _sign_in_page(self, request: Request, to: str, by: str = "", fault: str = "") -> Response:
        values = {
            "keys": self._keys.required(),
            "company": self._sessions.has_company(),
            "next": to,
            "by": by,
            "fault": fault,
        }
        response = self._page(request, "sign-in.html", None, "sign-in", values)
        response.status_code = 403 if fault else 200
        return response

    def _to_sign_in(self, request: Request) -> Response:
        back = _path_of(str(request.url), request)
        query = "" if back == "/" else f"?{urlencode({'next': back})}"
        return RedirectResponse(f"/inbox/sign-in{query}", 303, _HEADERS)


def _path_of(address: str, request: Request) -> str:
    """The path and query of an address on this host; of any other, the inbox."""
    parts = urlsplit(address)
    if parts.netloc != request.headers.get("host"):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _way_back(request: Request) -> dict[str, str]:
    """The page from which this one was opened, and what to call the link to it."""
    back = local(_path_of(request.headers.get("referer", ""), request))
    if urlsplit(back).path == urlsplit(str(request.url)).path:
        back = "/"  # after an answer, the page itself
    if back.startswith(ACCOUNTS):
        return {"back": back, "back_says": "Back to the account"}
    if back.startswith("/inbox/leads/"):
        return {"back": back, "back_says": "Back to the lead"}
    return {"back": back, "back_says": "Back to the list"}


def _actor(request: Request, by: str, key: str) -> Actor:
    place = "" if request.client is None else request.client.host
    return Actor(by, key or None, place)


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, here or to a proxy before us, as it says itself."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _set_message(response: Response, message: Mapping[str, str], request: Request) -> None:
    parts = {name: text[:MAX_MESSAGE_CHARACTERS] for name, text in message.items()}
    response.set_cookie(
        MESSAGE_COOKIE,
        urlencode(parts, errors="replace"),
        MESSAGE_COOKIE_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
    )


def _unusable() -> HTTPProblem:
    return HTTPProblem(
        503,
        "The feedback store is unavailable right now. What you sent was not saved; please try again"
        " later.",
        {"retry-after": "5"},
    )
