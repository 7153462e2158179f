"""Operations and parameters as the OpenAPI document has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collector.api.problems import MEDIA_TYPE
from collector.api.schemas import SCHEMAS, Schema, ref

ANSWERS: Final = {
    400: "Something is wrong: `errors` says what, and why.",
    404: "Not stored.",
    409: "Not as things are: the answer says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too much is waiting to be stored; try again.",
    501: "Something that this needs is not installed here: the answer says what.",
    503: "The database cannot be used now; try again.",
}


def query(name: str, schema: Schema, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def path(name: str, schema: Schema, text: str = "Hexadecimal digits.") -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": text}


def operation(
    name: str,
    schema: str | None,
    summary: str,
    text: str,
    parameters: list[dict[str, Any]],
    faults: tuple[int, ...],
    body: tuple[str, ...] = (),
    *,
    status: int = 200,
    schemas: Mapping[str, Schema] = SCHEMAS,
) -> dict[str, Any]:
    """Without ``schema`` the answer is 204. ``body`` names the schemas that a request's body may have."""
    answers: dict[str, Any] = {"204": {"description": "Done."}}
    if schema is not None:
        content = {"application/json": {"schema": ref(schema)}}
        answers = {str(status): {"description": schemas[schema]["description"], "content": content}}
    for fault in faults:
        problem = {MEDIA_TYPE: {"schema": ref("Problem")}}
        answers[str(fault)] = {"description": ANSWERS[fault], "content": problem}
    found: dict[str, Any] = {"operationId": name, "summary": summary, "description": text}
    if body:
        schemas_of_body = [ref(one) for one in body]
        content = {"application/json": {"schema": {"anyOf": schemas_of_body}}}
        found["requestBody"] = {"required": True, "content": content}
    return {**found, "parameters": parameters, "responses": answers}
