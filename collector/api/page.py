"""``/api/docs``: the OpenAPI document as one page, made here, without scripts or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from collector.api.openapi import DOCUMENT

_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#ddd, #3a3a3a); --dim: light-dark(#595959, #a6a6a6); }
body { font: 13px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { font-size: 16px; margin: 2rem 0 .25rem; }
h3 { font-size: 13px; margin: 1rem 0 0; }
code { font: 12px ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; margin-bottom: 1rem; }
th:first-child, th:nth-child(2) { width: 11rem; }
td, th { text-align: left; vertical-align: top; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 400; color: var(--dim); }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def docs_page(_request: Request) -> Response:
    return Response(_page(), media_type="text/html", headers=HEADERS)


@cache
def _page() -> str:
    info = DOCUMENT["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in DOCUMENT["components"]["schemas"].items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_text(info['title'])} API {_text(info['version'])}</h1><p>{_prose(info['description'])} "
        'The same for programs: <a href="/api/v1/openapi.json">openapi.json</a>.</p>'
        f"{operations}<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [
        (f"<code>{_text(given['name'])}</code>", _type(given["schema"]), _prose(given["description"]))
        for given in operation["parameters"]
    ]
    answers = [
        (
            f"<code>{status}</code>",
            _type(next(iter(answer["content"].values()))["schema"]) if "content" in answer else "",
            _prose(answer["description"]),
        )
        for status, answer in operation["responses"].items()
    ]
    body = [("The body", _type(media["schema"]), "") for media in _content(operation.get("requestBody"))]
    return (
        f'<h2 id="{_text(operation["operationId"])}">{_text(operation["summary"])}</h2>'
        f"<code>{method.upper()} {_text(path)}</code><p>{_prose(operation['description'])}</p>"
        f"{_table(('Parameter', 'Type', ''), parameters + body)}{_table(('Answer', 'Body', ''), answers)}"
    )


def _content(body: dict[str, Any] | None) -> Iterable[dict[str, Any]]:
    return body["content"].values() if body else ()


def _schema(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        text = f"{_type(schema)}. {_prose(schema['description'])}"
        return f'<h3 id="schema-{_text(name)}">{_text(name)}</h3><p>{text}</p>'
    properties = {**schema["properties"], **schema.get("patternProperties", {})}
    rows = [
        (f"<code>{_text(field)}</code>", _type(given), _prose(given.get("description", "")))
        for field, given in properties.items()
    ]
    heading = f'<h3 id="schema-{_text(name)}">{_text(name)}</h3><p>{_prose(schema["description"])}</p>'
    return heading + _table(("Field", "Type", ""), rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    return f"<table><tr>{head}</tr>{body}</table>" if body else ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " ".join(f"<code>{_text(value)}</code>" for value in schema["enum"])
    types = schema.get("type", "any")
    types = [types] if isinstance(types, str) else types
    return " or ".join(f"array of {_type(schema['items'])}" if name == "array" else _text(name) for name in types)


def _prose(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(value: object) -> str:
    return html.escape(str(value))
