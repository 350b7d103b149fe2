"""The page at /docs: what the interface takes and gives, for the model in charge, in one file that
loads nothing from anywhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from winnable.core.documents import Block, Heading, Page, Table, Text
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.request import MOST_LEADS
from winnable.service.routes.openapi import typical_lead

_KINDS = {"number": "number", "words": "text, number or true/false", "moment": "date"}
_STYLE = """\
pre { overflow-x: auto; padding: .8rem 1rem; background: var(--soft); border: 1px solid var(--line); border-radius: 6px; }
</style>"""


def guide_page(predictor: Predictor, document: dict[str, Any], address: str, *, keys: bool) -> str:
    """The page as HTML; `document` is the OpenAPI document, `address` where the service is asked."""
    html = Page("winnable: asking for scores", tuple(_blocks(predictor, document))).html()
    return html.replace("</style>", _STYLE, 1).replace(
        "</main>", f"{_example(predictor, address, keys=keys)}\n</main>", 1
    )


def _blocks(predictor: Predictor, document: dict[str, Any]) -> Iterator[Block]:
    yield Text(
        f"Model version {predictor.version} answers ({predictor.mode}: {predictor.why}). Every"
        " answer names it."
    )
    yield Heading("What can be asked")
    rows = [
        (
            f"{method.upper()} {path}",
            operation.get("summary") if path == "/score" else operation.get("description", ""),
        )
        for path, each in document["paths"].items()
        for method, operation in each.items()
    ]
    rows.append(
        (
            "GET /openapi.json",
            "This interface as an OpenAPI document, with the schema of every answer.",
        )
    )
    yield Table(("Request", "Answer"), tuple(rows))
    yield Heading("Columns of a lead")
    yield Text(
        "By the CRM's own names. What is absent or null is missing; an unknown column is ignored"
        " with a warning."
    )
    used = [
        (field.name, _KINDS[field.kind], "the model" if field.learn else "rules only")
        for field in predictor.plan.fields
    ]
    created = predictor.plan.created
    yield Table(
        ("Column", "Value", "Used by"),
        (*used, *([(created.name, "date", "the model")] if created else [])),
    )
    yield Heading("An example")
    yield Text(
        f"A request holds up to {MOST_LEADS:,} leads. `as_of` may name the moment for which they"
        " are scored, else it is now. A lead with an unreadable value gets an entry in `errors`,"
        " the others their scores. `?reasons=false` is quicker."
    )


def _example(predictor: Predictor, address: str, *, keys: bool) -> str:
    body = json.dumps({"leads": [typical_lead(predictor)]}, indent=2, ensure_ascii=False).replace(
        "'", "'\\''"
    )
    key = ' -H "Authorization: Bearer $WINNABLE_KEY"' if keys else ""
    command = f"curl -s {address}/score{key} -H 'Content-Type: application/json' -d '{body}'"
    return f"<pre>{escape(command, quote=False)}</pre>"
