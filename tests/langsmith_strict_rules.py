"""What LangSmith refuses, as far as its client's sources and what is documented of its API tell. Pure.

Where the sources leave it open, the stand-in is the stricter of the two.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import zstandard

RUN_TYPES = frozenset({"llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"})
FIELDS = ("inputs", "outputs", "events", "extra", "error", "serialized")
REQUIRED = ("id", "trace_id", "dotted_order", "start_time", "name", "run_type")
_OBJECTS = ("inputs", "outputs", "extra", "serialized")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)
_SEGMENT = re.compile(r"(\d{8}T\d{6})(\d{6})Z(.{36})\Z", re.ASCII)
_NAME = re.compile(r'form-data; name="([^"\r\n]+)"\Z')


class Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Part:
    name: str
    content_type: str
    data: bytes


def unpacked(body: bytes, headers: dict[str, str], limit: int) -> bytes:
    """The body without its compression: one zstd frame, streamed, for it need not say how large it is."""
    encoding = headers.get("content-encoding")
    if encoding is None:
        return body
    if encoding != "zstd":
        raise Refused(415, f"Content-Encoding {encoding} is not supported")
    if not headers.get("x-pre-compressed-size", "").isdigit():
        raise Refused(400, "X-Pre-Compressed-Size is missing")
    if headers.get("x-post-compressed-size") != str(len(body)):
        raise Refused(400, "X-Post-Compressed-Size is not the size of the body")
    stream = zstandard.ZstdDecompressor().decompressobj()
    try:
        found = stream.decompress(body)
    except zstandard.ZstdError as error:
        raise Refused(400, f"not a zstd stream: {error}") from None
    if not stream.eof or stream.unused_data:
        raise Refused(400, "not one whole zstd frame")
    if len(found) > limit:
        raise Refused(413, "payload too large")
    return found


def parts_of(body: bytes, content_type: str) -> Iterator[Part]:
    kind, _, boundary = content_type.partition("; boundary=")
    if kind != "multipart/form-data" or not boundary:
        raise Refused(415, "not multipart/form-data with a boundary")
    line, at = b"--" + boundary.encode(), 0
    while not body.startswith(line + b"--\r\n", at):
        if not body.startswith(line + b"\r\n", at):
            raise Refused(400, "a part does not begin with the boundary")
        head, found, _ = body[at + len(line) + 2 :].partition(b"\r\n\r\n")
        if not found:
            raise Refused(400, "a part has no end of headers")
        headers = dict(row.split(": ", 1) for row in head.decode("utf-8").split("\r\n"))
        start = at + len(line) + 2 + len(head) + 4
        name = _NAME.match(headers.get("Content-Disposition", ""))
        length = headers.get("Content-Length") or headers.get("Content-Type", "").partition("; length=")[2]
        if name is None or "Content-Type" not in headers or not length.isdigit():
            raise Refused(422, "a part needs a name, a Content-Type and a Content-Length")
        end = start + int(length)
        if not body.startswith(b"\r\n", end):
            raise Refused(422, f"{name[1]} is not as long as it says")
        yield Part(name[1], headers["Content-Type"].partition(";")[0], body[start:end])
        at = end + 2
    if at + len(line) + 4 != len(body):
        raise Refused(400, "something follows the last boundary")


def loaded(data: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"not JSON: {error}") from None


def check_run(run: dict[str, Any], kind: str) -> None:
    needed = REQUIRED if kind == "post" else ("id", "trace_id", "dotted_order")
    if missing := [name for name in needed if run.get(name) in (None, "")]:
        raise Refused(422, f"{missing[0]} is missing")
    if kind == "post" and not run.get("session_name") and not run.get("session_id"):
        raise Refused(422, "session_name or session_id is missing")
    if "attachments" in run:
        raise Refused(422, "attachments: extra fields not permitted")
    for name in ("id", "trace_id", "parent_run_id", "session_id", "reference_example_id"):
        if run.get(name) is not None and not _is_uuid(run[name]):
            raise Refused(422, f"{name} is not a UUID")
    for name in ("start_time", "end_time"):
        if run.get(name) is not None:
            time_of(run[name], name)
    if run.get("run_type") is not None and run["run_type"] not in RUN_TYPES:
        raise Refused(422, f"run_type {run['run_type']!r} is not one of LangSmith's")
    for name in _OBJECTS:
        if run.get(name) is not None and not isinstance(run[name], dict):
            raise Refused(422, f"{name} is not an object")
    _check_others(run)
    check_order(run)


def check_order(run: dict[str, Any]) -> None:
    found = [_SEGMENT.match(part) for part in run["dotted_order"].split(".")]
    if not all(found):
        raise Refused(422, "dotted_order is not made of TIMEZUUID segments")
    try:
        times = [datetime.strptime(part[1] + part[2], "%Y%m%dT%H%M%S%f") for part in found if part]
    except ValueError:
        raise Refused(422, "dotted_order has what is no time") from None
    ids = [part[3] for part in found if part]
    parent = ids[-2] if len(ids) > 1 else None
    if not all(map(_is_uuid, ids)):
        raise Refused(422, "dotted_order has what is no UUID")
    if ids[-1] != run["id"]:
        raise Refused(422, "dotted_order does not end in the run's id")
    if ids[0] != run["trace_id"]:
        raise Refused(422, "dotted_order does not begin with the trace's id, which is its root run's")
    if run.get("parent_run_id") != parent and ("parent_run_id" in run or "name" in run):
        raise Refused(422, "parent_run_id is not the run before it in dotted_order")
    if times != sorted(times):
        raise Refused(422, "dotted_order: a run begins before its parent")


def check_feedback(feedback: Any) -> dict[str, Any]:
    if not isinstance(feedback, dict) or not _is_uuid(feedback.get("id")) or not feedback.get("key"):
        raise Refused(422, "a feedback needs an id and a key")
    if not {"run_id", "trace_id"} <= feedback.keys() and feedback.get("session_id") is None:
        raise Refused(422, "a feedback needs run_id and trace_id")
    for name in ("run_id", "trace_id", "session_id", "comparative_experiment_id", "feedback_group_id"):
        if feedback.get(name) is not None and not _is_uuid(feedback[name]):
            raise Refused(422, f"{name} is not a UUID")
    source = feedback.get("feedback_source")
    if not isinstance(source, dict) or not isinstance(source.get("type"), str):
        raise Refused(422, "feedback_source has no type")
    for name in ("created_at", "modified_at", "start_time"):
        if feedback.get(name) is not None:
            time_of(feedback[name], name)
    check_said(feedback)
    return feedback


def check_said(feedback: dict[str, Any]) -> None:
    score = feedback.get("score")
    if score is not None and not isinstance(score, int | float):
        raise Refused(422, "score is no number")
    if isinstance(score, float) and (not math.isfinite(score) or round(score, 4) != score):
        raise Refused(422, "score has more than four decimals")
    kinds = {"value": (str, int, float, bool, dict), "correction": (str, dict), "comment": str, "extra": dict}
    for name, kind in kinds.items():
        if feedback.get(name) is not None and not isinstance(feedback[name], kind):  # type: ignore[arg-type]
            raise Refused(422, f"{name} is of the wrong type")


def time_of(value: Any, name: str) -> datetime:
    """UTC without its zone."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refused(422, f"{name} is not an ISO 8601 time") from None
    return (found - found.utcoffset()).replace(tzinfo=None) if found.utcoffset() else found.replace(tzinfo=None)  # type: ignore[operator]


def _check_others(run: dict[str, Any]) -> None:
    for name in ("name", "run_type", "session_name", "error"):
        if run.get(name) is not None and not isinstance(run[name], str):
            raise Refused(422, f"{name} is not a text")
    tags, events = run.get("tags"), run.get("events")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise Refused(422, "tags is not a list of texts")
    if events is not None and not (isinstance(events, list) and all(isinstance(one, dict) for one in events)):
        raise Refused(422, "events is not a list of objects")
    metadata = (run.get("extra") or {}).get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise Refused(422, "extra.metadata is not an object")


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.match(value) is not None and str(UUID(value)) == value
