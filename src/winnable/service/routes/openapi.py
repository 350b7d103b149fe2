"""OpenAPI: the description of the interface, made from the model in charge: its columns, their
types, and a lead as an example.

The example is made of the numbers that are usual in training and of words that stand in the signed
definition, so that no lead's data is ever published.
"""

from collections.abc import Mapping
from typing import Any

from winnable.core.text import listed
from winnable.data.features.accounts import ACCOUNT_HISTORY, FACTS
from winnable.data.features.plan import FeaturePlan, Field
from winnable.data.features.returns import STATUS_HISTORY
from winnable.definition.schema import Definition
from winnable.learning.scoring.predictor import Predictor
from winnable.service.http.request import (
    ACTIVITIES,
    MAX_ACTIVITIES_PER_LEAD,
    MAX_FACT,
    MAX_LEADS,
    MAX_STATUS_CHANGES_PER_LEAD,
    MAX_TEXT_CHARACTERS,
)
from winnable.service.routes.schemas import HealthOut, Problem, ScoreResponse

_REFS = "#/components/schemas/{model}"
_REFUSALS = {
    "400": "The body is not JSON in UTF-8, or has a member twice in one object",
    "401": "The key is missing or unknown",
    "403": (
        "The key's role may not do this, a page of another site sent it, or there are no keys and"
        " the caller is not on this machine"
    ),
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "415": "The Content-Type is missing or not JSON",
    "422": "The body or the query is not what the schema says",
}


def describe_scoring(document: dict[str, Any], predictor: Predictor) -> dict[str, Any]:
    """The OpenAPI document with what is this model's own: its columns as the CRM calls them, the
    reasons to reject a lead."""
    parts = document.setdefault("components", {}).setdefault("schemas", {})
    answer = ScoreResponse.model_json_schema(ref_template=_REFS)
    parts |= answer.pop("$defs") | {"ScoreResponse": answer}
    parts |= {
        schema.__name__: schema.model_json_schema(ref_template=_REFS)
        for schema in (Problem, HealthOut)
    }
    parts |= {
        "Lead": lead_schema(predictor),
        "Activity": _activity(predictor),
        "ScoreRequest": _request(predictor),
    }
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key made by `winnable keys add`, where there are any.",
        }
    }
    document["security"] = [{"key": []}, {}]
    document["paths"] = (
        {"/score": {"post": _score()}} | document["paths"] | {"/healthz": {"get": _alive()}}
    )
    label = document["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]
    label["schema"] = label["schema"] | _rejected(predictor.definition)
    for path in document["paths"].values():
        for operation in path.values():
            for code in ("401", "403") if operation.get("security") != [] else ():
                operation["responses"].setdefault(code, refusal(_REFUSALS[code]))
    return document


def lead_schema(predictor: Predictor) -> dict[str, Any]:
    """The JSON schema of a lead for this model."""
    roles = predictor.definition.columns
    plan = predictor.plan
    fields = {field.name: _column(field) for field in plan.fields}
    if roles.id is not None:
        fields = {
            roles.id: {
                "description": "The lead's id, given back with its score.",
                **_scalar("string", "integer"),
            }
        } | fields
    if plan.created is not None:
        fields[plan.created.name] = _column(plan.created) | {
            "description": "When the lead was created."
        }
    activities = {
        "type": ["array", "null"],
        "items": {"$ref": _REFS.format(model="Activity")},
        "maxItems": MAX_ACTIVITIES_PER_LEAD,
    }
    return {
        "type": "object",
        "title": "Lead",
        "description": (
            "A lead by the CRM's own columns; absent or null is missing, unlisted ones are ignored"
            " with a warning."
        ),
        "properties": {
            **fields,
            ACTIVITIES: activities,
            **_account_history(plan),
            **_status_history(predictor),
        },
        "additionalProperties": True,
        "examples": [typical_lead(predictor)],
    }


def _account_history(plan: FeaturePlan) -> dict[str, Any]:
    """What a lead may tell of its account, where the model knows accounts."""
    if plan.accounts is None:
        return {}
    told = {
        "type": ["object", "null"],
        "description": (
            "What was known of the other leads of the lead's account before the moment of scoring:"
            " all of it or, where it is not known, nothing. Left out is not zero."
        ),
        "required": list(FACTS),
        "additionalProperties": False,
        "properties": {
            name: {"type": "number", "minimum": 0, "maximum": MAX_FACT, "description": meaning}
            for name, meaning in FACTS.items()
        },
    }
    return {ACCOUNT_HISTORY: told}


def _status_history(predictor: Predictor) -> dict[str, Any]:
    """What a lead may tell of its earlier episodes, where the model knows returns."""
    if not predictor.plan.returns:
        return {}
    outcome = predictor.definition.outcome
    change = {
        "type": "object",
        "required": ["at", "new"],
        "additionalProperties": False,
        "properties": {
            "at": {
                "type": "string",
                "format": "date-time",
                "description": "When the CRM recorded the change.",
            },
            "old": _scalar("string") | {"description": "The status until then."},
            "new": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_TEXT_CHARACTERS,
                "description": "The status from then on.",
                "examples": [*outcome.won[:1], *outcome.lost[:1]],
            },
        },
    }
    told = {
        "type": ["array", "null"],
        "description": (
            "How the lead's status changed, by the CRM's own words: an open one after any of"
            f" {listed([*outcome.won, *outcome.lost])} is a return. What was before the moment of"
            " scoring counts. Left out, the lead is scored as one that came for the first time."
        ),
        "items": change,
        "maxItems": MAX_STATUS_CHANGES_PER_LEAD,
    }
    return {STATUS_HISTORY: told}


def typical_lead(predictor: Predictor) -> dict[str, Any]:
    """A lead that might come to this model, and is nobody's."""
    roles = predictor.definition.columns
    plan = predictor.plan
    known = _words_of(predictor.definition)
    lead: dict[str, Any] = {roles.id: "L-1"} if roles.id is not None else {}
    usual = _usual_numbers(predictor)
    for field in plan.fields:
        if field.kind == "number" and field.name in usual:
            lead[field.name] = float(f"{usual[field.name]:.3g}")
        elif field.kind == "words" and field.name in known:
            learned = predictor.scorer.words.get(field.name, {})
            word = known[field.name]
            # The first is the most frequent one, and so nobody's own.
            lead[field.name] = word if word in learned else next(iter(learned), word)
    if plan.created is not None:
        lead[plan.created.name] = "2026-01-05T09:00:00Z"
    kinds = [kind for aggregate in plan.aggregates for kind in aggregate.kinds]
    if kinds:
        lead[ACTIVITIES] = [{"kind": kinds[0], "at": "2026-01-12T14:30:00Z"}]
    return lead


def _column(field: Field) -> dict[str, Any]:
    if field.kind == "number":
        return _scalar("number", "string") | {
            "description": "A number, or a text that reads as one."
        }
    if field.kind == "moment":
        return _scalar("string") | {
            "description": "A date, with or without a time; without a zone it is UTC."
        }
    return _scalar("string", "number", "boolean")


def _scalar(*types: str) -> dict[str, Any]:
    return {"type": [*types, "null"], "maxLength": MAX_TEXT_CHARACTERS}


def _activity(predictor: Predictor) -> dict[str, Any]:
    groups = predictor.definition.activities
    kinds = [*groups.intent, *groups.interest] or ["Call"]
    return {
        "type": "object",
        "title": "Activity",
        "description": (
            "One thing that the lead did. It counts if it was known before the moment of scoring."
        ),
        "required": ["kind", "at"],
        "properties": {
            "kind": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_TEXT_CHARACTERS,
                "examples": kinds[:3],
            },
            "at": {"type": "string", "format": "date-time"},
            "recorded": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When the CRM learned of it.",
            },
            **{field.name: _column(field) for field in predictor.plan.properties},
        },
    }


def _request(predictor: Predictor) -> dict[str, Any]:
    lead = {"$ref": _REFS.format(model="Lead")}
    anything_else = {
        "title": "Faulty lead",
        "description": "Anything else gets an entry in `errors`, and the other leads their scores.",
    }
    return {
        "type": "object",
        "title": "ScoreRequest",
        "required": ["leads"],
        "additionalProperties": False,
        "properties": {
            "leads": {
                "type": "array",
                "items": {"anyOf": [lead, anything_else]},
                "minItems": 1,
                "maxItems": MAX_LEADS,
            },
            "as_of": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "The moment for which the probability is asked; now, if not given.",
            },
            "since": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": (
                    "Each score is compared with the lead's last one as of this moment or before,"
                    " or else with its first one after it, and `change` says what moved it. Reasons"
                    " are needed."
                ),
            },
        },
        "examples": [{"leads": [typical_lead(predictor)], "as_of": "2026-02-01T00:00:00Z"}],
    }


def _rejected(definition: Definition) -> dict[str, Any]:
    """What the schema of a label has to say besides: who rejects a lead gives one of the
    definition's reasons, or none."""
    reasons = {"enum": [*definition.feedback.every, None]}
    return {
        "if": {"properties": {"label": {"const": "rejected"}}, "required": ["label"]},
        "then": {"properties": {"reason": reasons}},
    }


def _alive() -> dict[str, Any]:
    answered = {"200": {"description": "The process is alive", "content": _content("HealthOut")}}
    return {
        "description": "Liveness check.",
        "operationId": "healthz",
        "security": [],
        "responses": answered,
    }


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFS.format(model=schema)}}}


def _score() -> dict[str, Any]:
    reasons = {
        "name": "reasons",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": ["true", "false"], "default": "true"},
        "description": "Whether to give reasons; without them the answer is quicker.",
    }
    answered = {
        "200": {
            "description": "A score, or an error, for each lead",
            "content": _content("ScoreResponse"),
        }
    }
    return {
        "summary": f"Score one to {MAX_LEADS:,} leads",
        "operationId": "score",
        "parameters": [reasons],
        "requestBody": {"required": True, "content": _content("ScoreRequest")},
        "responses": answered
        | {code: refusal(description) for code, description in _REFUSALS.items()}
        | {
            "503": refusal(
                "The scores cannot be saved or earlier ones not read, and are not given; nothing"
                " is lost"
            )
        },
    }


def refusal(description: str) -> dict[str, Any]:
    """The response of a request that is not answered: a problem, by its own media type."""
    return {
        "description": description,
        "content": {
            "application/problem+json": {"schema": {"$ref": _REFS.format(model="Problem")}}
        },
    }


def _words_of(definition: Definition) -> Mapping[str, str]:
    """For each column the first word that speaks for a lead by the definition: of the ideal
    profile, or worth points."""
    rules = [rule for card in definition.scorecard for rule in card.rule if rule.points > 0]
    words: dict[str, str] = {}
    for condition in (
        *definition.profile.ideal,
        *(condition for rule in rules for condition in rule.when),
    ):
        if condition.members and condition.none_of_these:
            continue
        for leaf in condition.leaves():
            asked = leaf.any_of or leaf.matches
            if leaf.field is not None and asked:
                words.setdefault(leaf.field, asked[0])
    if definition.columns.consent is not None:
        words.setdefault(definition.columns.consent, definition.gate.consent[0])
    return words


def _usual_numbers(predictor: Predictor) -> dict[str, float]:
    """The mean of each number in training, as the ridge keeps it; nothing where there is none."""
    spec = predictor.scorer.spec
    ridge = next((part for part in spec.experts.values() if part["kind"] == "linear"), None)
    return {} if ridge is None else dict(zip(spec.encoding["numbers"], ridge["mean"], strict=False))
