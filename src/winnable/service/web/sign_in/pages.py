"""Signing in at the company's identity provider: the two addresses that a browser walks through.

The first sends it to the provider, the second is where the provider sends it back to. Both ask the
provider in threads that are kept for this, a few at a time and for a few seconds, so that one that
is slow or away delays nobody but those who sign in. What went wrong is told to the log; to people
only what they can do.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from winnable.data.feedback.store.audit import Actor
from winnable.errors import StoreError
from winnable.service.http.problems import HTTPProblem
from winnable.service.web.forms import local
from winnable.service.web.inbox import AskStore
from winnable.service.web.sessions import Sessions, keep_session
from winnable.service.web.sign_in.attempt import ATTEMPT_SECONDS, Attempt, cookie_name
from winnable.service.web.sign_in.configuration import CALLBACK, CompanySignIn
from winnable.service.web.sign_in.id_token import NotAllowedError, Person, TokenError
from winnable.service.web.sign_in.provider import DEADLINE_SECONDS, IdentityProvider

Answer = TypeVar("Answer")
START = "/inbox/sign-in/company"
MAX_AT_ONCE = 8
"""People who wait for the provider; others are told to try again."""

_AWAY = (
    "Your company's identity provider does not answer as it should. Try again in a moment, or sign"
    " in with a key."
)
_STALE = (
    "This answer does not belong to a sign-in that was begun in this browser, or it is too old."
    " Nothing was done; begin again from the sign-in page."
)


class CompanyPages:
    """The two addresses of one service. `read` asks its store, `tell` writes to the log."""

    def __init__(self, sessions: Sessions, read: AskStore, tell: Callable[..., None]) -> None:
        self._sessions = sessions
        self._ask_store = read
        self._tell = tell
        self._threads = ThreadPoolExecutor(MAX_AT_ONCE, "sign-in")
        self._waiting = 0

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route(START, self.start), Route(CALLBACK, self.back)]

    async def start(self, request: Request) -> Response:
        """Send a browser to the provider."""
        setting = self._setting()
        attempt = Attempt.begin(local(request.query_params.get("next", "/")), setting.fingerprint)
        provider = IdentityProvider(setting)
        address = await self._ask(lambda: provider.authorization_url(attempt))
        response = RedirectResponse(address, 303)
        response.set_cookie(
            cookie_name(has_tls=setting.has_tls),
            self._packed(attempt),
            ATTEMPT_SECONDS,
            path="/",
            httponly=True,
            samesite="lax",  # the provider's page sends the browser back
            secure=setting.has_tls,
        )
        return response

    async def back(self, request: Request) -> Response:
        """Where the provider sends a browser back to. Whatever comes of it, the attempt is over."""
        setting = self._setting()
        try:
            response = await self._finish(request, setting)
        except HTTPProblem as problem:
            problem.headers["set-cookie"] = (
                f"{cookie_name(has_tls=setting.has_tls)}=; Max-Age=0; Path=/; HttpOnly;"
                f" SameSite=lax{'; Secure' if setting.has_tls else ''}"
            )
            raise
        response.delete_cookie(
            cookie_name(has_tls=setting.has_tls), "/", secure=setting.has_tls, httponly=True
        )
        return response

    async def _finish(self, request: Request, setting: CompanySignIn) -> Response:
        given = request.query_params
        fingerprint = setting.fingerprint
        cookie = request.cookies.get(cookie_name(has_tls=setting.has_tls))
        attempt = self._unpacked(cookie, fingerprint)
        if attempt is None or not attempt.is_answered_by(given.get("state", ""), fingerprint):
            self._tell("sign-in refused", level="error", reason="the answer is of no attempt here")
            raise HTTPProblem(403, _STALE)
        if "code" not in given:
            self._tell("sign-in refused", level="error", reason="the provider gave no code")
            raise HTTPProblem(403, "Your company's identity provider did not sign you in.")
        provider = IdentityProvider(setting)
        person = await self._ask(lambda: provider.person(given["code"], given.get("iss"), attempt))
        return await self._enter(request, setting, person, local(attempt.to))

    async def _enter(
        self, request: Request, setting: CompanySignIn, person: Person, to: str
    ) -> Response:
        """Open a session, whatever the browser had before, and show the page that was wanted."""
        place = "" if request.client is None else request.client.host
        actor = Actor(person.name, None, place)
        try:
            cookie = self._sessions.open_for(person, setting.fingerprint)
            await self._ask_store(
                lambda store: store.record(actor, "signed in", person.subject, setting.issuer)
            )
        except StoreError:
            raise _store_unusable() from None
        if cookie is None:
            raise HTTPProblem(403, _STALE)
        response = RedirectResponse(to, 303)
        keep_session(response, cookie, secure=setting.has_tls)
        return response

    def _setting(self) -> CompanySignIn:
        try:
            setting = self._sessions.company.now()
        except StoreError as error:
            self._tell("sign-in refused", level="error", reason=str(error))
            raise HTTPProblem(503, _AWAY, {"retry-after": "5"}) from None
        if setting is None:
            raise HTTPProblem(404, "Nobody signs in at an identity provider here.")
        return setting

    def _packed(self, attempt: Attempt) -> str:
        try:
            return self._sessions.pack(attempt)
        except StoreError:
            raise _store_unusable() from None

    def _unpacked(self, cookie: str | None, setting: str) -> Attempt | None:
        try:
            return self._sessions.unpack(cookie, setting)
        except StoreError:
            raise _store_unusable() from None

    async def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """What the provider says; its failures as `HTTPProblem`."""
        try:
            return await self._in_time(ask)
        except NotAllowedError as error:
            self._tell("sign-in refused", level="error", reason="no group or name that may")
            raise HTTPProblem(403, str(error)) from None
        except TokenError as error:
            self._tell("sign-in refused", level="error", reason=str(error))
            raise HTTPProblem(
                403, "What your company's identity provider answered proves nothing."
            ) from None
        except (StoreError, TimeoutError, ModuleNotFoundError) as error:
            reason = str(error) or "The identity provider does not answer in time."
            self._tell("sign-in failed", level="error", reason=reason)
            raise HTTPProblem(503, _AWAY, {"retry-after": "5"}) from None

    async def _in_time(self, ask: Callable[[], Answer]) -> Answer:
        """A name server can keep a thread longer than the deadline; whoever waits is let go."""
        if self._waiting >= MAX_AT_ONCE:
            raise StoreError("Too many wait for the identity provider.")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        future.add_done_callback(self._done)
        return await asyncio.wait_for(asyncio.shield(future), DEADLINE_SECONDS + 1)

    def _done(self, future: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # told already, or nobody waits for it any more


def _store_unusable() -> HTTPProblem:
    return HTTPProblem(
        503,
        "The store is unavailable right now; please try again later.",
        {"retry-after": "5"},
    )
