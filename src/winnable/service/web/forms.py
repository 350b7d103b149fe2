"""Forms of the inbox: read within limits. That they come from its own pages is seen to by the
middleware and by the token of a session."""

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

from winnable.service.http.problems import HTTPProblem

MAX_FORM_BYTES = 20_000
MAX_FIELDS = 20
FORM_TIMEOUT_SECONDS = 10.0


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each. `HTTPProblem` if it is no form, too large or
    slow."""
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


def local(address: str) -> str:
    """An address to go back to, if it is one of ours; else the inbox."""
    plain = (
        address.isascii() and address.isprintable() and "\\" not in address and " " not in address
    )
    ours = address.startswith(("/?", "/inbox/")) or address == "/"
    return address if plain and ours and len(address) < 2000 else "/"
