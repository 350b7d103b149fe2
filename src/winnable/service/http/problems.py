"""Problem details (RFC 9457): the errors of HTTP requests, as JSON or, in a browser, as a page.

A problem names the place in the request and what was expected there. It never repeats a value of
it, since values are people's data, and never tells how the service is made.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic_core import to_json

MEDIA_TYPE = b"application/problem+json"
FAILED = "The service failed. Its log has more under the request id."


class HTTPProblem(Exception):
    """A request that is not answered: `status` (HTTP), `detail` for whoever sent it, and headers
    that belong to the answer."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def answer(self, accept: str) -> tuple[bytes, bytes]:
        """The body and its media type: a page for a browser, which says in Accept that it takes
        HTML, else a problem."""
        if "text/html" not in accept:
            return problem(self.status, self.detail), MEDIA_TYPE
        from winnable.service.http.templates import error_page  # only when a page is asked for

        return error_page(self.status, self.detail), b"text/html; charset=utf-8"


class ClientGone(Exception):
    """The client left before its request was answered."""


def problem_of(status: int, detail: str) -> dict[str, object]:
    """The members of RFC 9457; the title is the standard phrase of the status."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }


def problem(status: int, detail: str) -> bytes:
    """The body of an answer with this problem."""
    return to_json(problem_of(status, detail))
