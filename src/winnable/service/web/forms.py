"""Forms of the inbox: read within limits, and taken only from its own pages (against cross-site
request forgery, CSRF)."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from winnable.service.http.problems import HTTPProblem

MAX_FORM_BYTES = 20_000
MAX_FIELDS = 20
FORM_TIMEOUT_SECONDS = 10.0


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each. `HTTPProblem` if it comes from elsewhere, is no
    form, too large or slow."""
    check_origin(request.headers)
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/x-www-form-urlencoded"
    ):
        raise HTTPProblem(415, "A form of one of these pages is expected.")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_TIMEOUT_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_FORM_BYTES:
                    raise HTTPProblem(413, "The form is too large.", {"connection": "close"})
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except TimeoutError:
        raise HTTPProblem(
            408, "The form did not arrive in time.", {"connection": "close"}
        ) from None
    except ValueError:
        raise HTTPProblem(400, "The form cannot be read.") from None
    return {name: value.replace("\x00", "") for name, value in fields}


def check_origin(headers: Mapping[str, str]) -> None:
    """`HTTPProblem` for a request that a page elsewhere made a browser send. Browsers say where a
    form comes from; what says nothing is no browser of today, and still needs the token of a
    session."""
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        ours = site in {"same-origin", "none"}
    elif origin is not None:
        ours = urlsplit(origin).netloc == headers.get("host")
    else:
        ours = True
    if not ours:
        raise HTTPProblem(403, "The form was sent by a page elsewhere.")


def local(address: str) -> str:
    """An address to go back to, if it is one of ours; else the inbox."""
    plain = (
        address.isascii() and address.isprintable() and "\\" not in address and " " not in address
    )
    ours = address.startswith(("/?", "/inbox/")) or address == "/"
    return address if plain and ours and len(address) < 2000 else "/"
