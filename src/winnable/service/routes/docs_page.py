"""The documentation for people: Swagger UI at /docs, where requests can be tried, and a short guide
at /guide, for the model in charge.

Both come with the package and load nothing from anywhere else. What they say of requests and
answers stands in the OpenAPI document, which `openapi` makes.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from winnable.core.documents import Block, Heading, Page, Prose, Table, Text
from winnable.data.features.returns import STATUS_HISTORY
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.request import MAX_LEADS
from winnable.service.routes.openapi import typical_lead

DOCS_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of /docs: scripts and styles of our own, and requests to us alone."""

IMMUTABLE = "private, max-age=31536000, immutable"
"""How long assets may be cached: their addresses change with their content."""

_FOLDER = Path(__file__).parent / "assets"
_JAVASCRIPT = "text/javascript; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_ASSETS = {
    "swagger-ui-bundle.js": (_FOLDER / "swagger-ui" / "swagger-ui-bundle.js", _JAVASCRIPT),
    "swagger-ui.css": (_FOLDER / "swagger-ui" / "swagger-ui.css", _CSS),
    "docs.js": (_FOLDER / "docs.js", _JAVASCRIPT),
    "docs.css": (_FOLDER / "docs.css", _CSS),
}
_KINDS = {"number": "number", "words": "text, number or true/false", "moment": "date"}
_STYLE = """\
pre {
  overflow-x: auto; padding: .8rem 1rem; background: var(--soft);
  border: 1px solid var(--line); border-radius: 6px;
}
</style>"""
_LINKS = """\
<p><a href="docs">Try requests in the browser</a></p>
</main>"""


@cache
def docs_page() -> str:
    """The page of Swagger UI as HTML."""
    page = (_FOLDER / "docs.html").read_text("utf-8")
    for name in _ASSETS:
        digest = hashlib.sha256(docs_asset(name)[0]).hexdigest()[:12]
        page = page.replace(f"{{{name}}}", digest)
    return page


def docs_asset(name: str) -> tuple[bytes, str]:
    """A script or stylesheet of /docs and its media type; `KeyError` if there is none."""
    path, media_type = _ASSETS[name]
    return path.read_bytes(), media_type


def guide_page(
    predictor: Predictor, document: dict[str, Any], address: str, *, has_keys: bool
) -> str:
    """The guide as HTML; `document` is the OpenAPI document, `address` where requests go to."""
    html = Page("winnable: asking for scores", tuple(_blocks(predictor, document))).html()
    example = _example(predictor, address, has_keys=has_keys)
    html = html.replace("</style>", _STYLE, 1)
    return html.replace("</main>", f"{example}\n{_LINKS}", 1)


def _blocks(predictor: Predictor, document: dict[str, Any]) -> Iterator[Block]:
    yield Text(
        f"Model version {predictor.version} answers ({predictor.mode}: {predictor.why}). Every"
        " answer names it."
    )
    yield Heading("Requests")
    yield Table(("Request", "Answer"), tuple(_requests(document)))
    yield Heading("Columns of a lead")
    yield Text(
        "By the CRM's own names. What is absent or null is missing; an unknown column is ignored"
        " with a warning."
    )
    created = predictor.plan.created
    columns = [
        (field.name, _KINDS[field.kind], "the model" if field.learn else "rules only")
        for field in predictor.plan.fields
        if created is None or field.name != created.name
    ]
    if created is not None:
        columns.append((created.name, "date", "the model"))
    yield Table(("Column", "Value", "Used by"), tuple(columns))
    if predictor.plan.returns:
        yield Text(
            Prose(
                "A lead that came back after it was won or lost tells how its status changed, under"
                f" `{STATUS_HISTORY}`: a list of objects with `at`, `old` and `new`. Without it the"
                " lead is scored as one that came for the first time."
            )
        )
    yield Heading("An example")
    yield Text(
        Prose(
            f"A request holds up to {MAX_LEADS:,} leads. `as_of` may name the moment for which they"
            " are scored, else it is now. A lead with an unreadable value gets an entry in"
            " `errors`, the others their scores. Each reason says in words and, for machines, as"
            " `feature`, `value` and `effect` what it adds to the probability of a typical open"
            " lead, which is `start`: the effects and `rest`, everything else, add up from it to"
            " `probability`. `?reasons=false` is quicker. With `since`, a moment, `change` says"
            " what moved the score of each lead from its earlier one, in parts that add up, too."
        )
    )


def _requests(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = operation.get("summary" if path == "/score" else "description", "")
            yield f"{method.upper()} {path}", Prose(text)
    yield (
        "GET /openapi.json",
        "This interface as an OpenAPI document, with the schema of every answer.",
    )


def _example(predictor: Predictor, address: str, *, has_keys: bool) -> str:
    body = json.dumps({"leads": [typical_lead(predictor)]}, indent=2, ensure_ascii=False)
    quoted_body = body.replace("'", "'\\''")
    key = ' -H "Authorization: Bearer $WINNABLE_KEY"' if has_keys else ""
    header = "-H 'Content-Type: application/json'"
    command = f"curl -s {address}/score{key} {header} -d '{quoted_body}'"
    return f"<pre>{escape(command, quote=False)}</pre>"
