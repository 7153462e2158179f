"""LangSmith's requests as changes of runs: what can be read is, the rest is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langsmith_runs import run_uuid

from collector.codec.runs import RunChange, head_of, merged, time_ns
from collector.receivers.langsmith.messages import of_batch, of_multipart, of_run
from collector.receivers.langsmith.multipart import boundary_of, parts_of
from collector.receivers.refusal import Refusal

ID, OTHER = str(run_uuid(0)), str(run_uuid(1))
TYPE = "multipart/form-data; boundary=b0"


def multipart(*parts: tuple[str, Any], lengths: bool = True, types: dict[str, str] | None = None) -> bytes:
    body = b""
    for name, value in parts:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        content_type = (types or {}).get(name, "application/json")
        body += f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {content_type}\r\n'.encode()
        body += f"Content-Length: {len(data)}\r\n".encode() * lengths + b"\r\n" + data + b"\r\n"
    return body + b"--b0--\r\n"


def test_parts_of_a_run_are_put_together_though_runs_interleave() -> None:
    body = multipart(
        (f"post.{ID}", {"id": ID, "name": "a"}),
        (f"patch.{OTHER}", {"id": OTHER}),
        (f"post.{ID}.inputs", {"q": 1}),
        (f"patch.{OTHER}.error", "it broke"),
        (f"post.{ID}.outputs", {}),
        (f"attachment.{ID}.a.b.png", b"\x89PNG"),
        ("feedback.1", {"key": "good", "score": True}),
        types={f"attachment.{ID}.a.b.png": "image/png; length=4"},
    )
    received = of_multipart(body, TYPE)
    first, second = received.changes
    assert (first.kind, first.fields) == ("post", {"id": ID, "name": "a", "inputs": {"q": 1}, "outputs": {}})
    assert (second.kind, second.fields) == ("patch", {"id": OTHER, "error": "it broke"})
    (attached,) = first.attachments
    assert (attached.name, attached.mime_type, attached.data) == ("a.b.png", "image/png", b"\x89PNG")
    assert received.feedback == [{"key": "good", "score": True}]


def test_a_bad_run_does_not_lose_the_others() -> None:
    body = multipart(
        ("post.no-uuid", {}), (f"post.{OTHER}", [1]), (f"post.{ID}", {"id": ID}), ("feedback.1", 3), ("what", 1)
    )
    received = of_multipart(body, TYPE)
    assert [change.fields for change in received.changes] == [{"id": ID}]
    assert received.rejected == 4
    assert len(received.reasons) == 4


def test_an_attachment_may_hold_the_boundary_where_its_length_is_told() -> None:
    data = b"x\r\n--b0\r\ny"
    (part,) = parts_of(multipart(("a", data)), b"b0")
    assert part.data == data


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.binary(max_size=40)), max_size=5), st.booleans())
def test_every_part_comes_out_as_it_went_in(parts: list[tuple[str, bytes]], lengths: bool) -> None:
    parts = [(name.translate({10: "", 13: "", 34: "", 92: "", 37: ""}) or "n", data) for name, data in parts]
    parts = [(name.encode("utf-8", "replace").decode(), data) for name, data in parts if lengths or b"--b0" not in data]
    assert [(part.name, part.data) for part in parts_of(multipart(*parts, lengths=lengths), b"b0")] == parts


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_body_does_harm(noise: bytes, cut: int) -> None:
    whole = multipart((f"post.{ID}", {"id": ID}), (f"post.{ID}.inputs", {"q": "x" * 50}))
    for body in (noise, whole[:cut], whole[: cut // 2] + noise + whole[cut:]):
        try:
            of_multipart(body, TYPE)
        except Refusal as refusal:
            assert refusal.status in (400, 413, 422)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 415), ("multipart/form-data", 400), ("", 415), ('multipart/form-data; boundary="', 400)],
)
def test_what_is_no_multipart_is_refused(content_type: str, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        boundary_of(content_type)
    assert caught.value.status == status


def test_values_that_are_no_json_stay_text() -> None:
    deep = b"[" * 300 + b"]" * 300
    received = of_multipart(multipart((f"post.{ID}", {"id": ID}), (f"post.{ID}.inputs", deep)), TYPE)
    assert received.changes[0].fields["inputs"] == deep.decode()
    received = of_multipart(multipart((f"post.{ID}", {"id": ID}), (f"post.{ID}.error", b"no json")), TYPE)
    assert received.changes[0].fields["error"] == "no json"


def test_odd_json_is_read() -> None:
    body = b'{"id": "%s", "inputs": {"a": NaN, "b": 123456789012345678901234567890, "c": "\\ud800"}}' % ID.encode()
    (change,) = of_run(body, "post").changes
    assert change.fields["inputs"] == {"a": None, "b": 123456789012345678901234567890.0, "c": "?"}


def test_a_batch_has_posts_and_patches() -> None:
    body = json.dumps({"post": [{"id": ID}, {"id": 3}], "patch": [{"id": OTHER}]}).encode()
    received = of_batch(body)
    assert [(change.kind, change.fields) for change in received.changes] == [
        ("post", {"id": ID}),
        ("patch", {"id": OTHER}),
    ]
    assert received.rejected == 1


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"[]", 400), (b'{"post": 3}', 422), (b'{"post": [{}]}', 422), (b"{", 400)]
)
def test_a_batch_of_nothing_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        of_batch(body)
    assert caught.value.status == status


def test_a_single_run_takes_its_id_from_the_address() -> None:
    (change,) = of_run(b'{"end_time": "2026-01-02T03:04:05"}', "patch", ID).changes
    assert (change.run_id, change.kind) == (run_uuid(0).bytes, "patch")


def test_what_a_run_does_not_say_its_order_and_its_id_do() -> None:
    order = f"20260102T030405678901Z{ID}.20260102T030406000000Z{OTHER}"
    head = head_of(run_uuid(1).bytes, {"dotted_order": order})
    assert (head.trace_id, head.parent_run_id) == (run_uuid(0).bytes, run_uuid(0).bytes)
    assert head.start_ns == time_ns("2026-01-02T03:04:06Z")
    alone = head_of(run_uuid(1).bytes, {})
    assert (alone.trace_id, alone.project, alone.status) == (run_uuid(1).bytes, "default", "pending")
    assert alone.start_ns == 0x019B7C4D0000 * 10**6  # of the UUID


@pytest.mark.parametrize(
    "value", [None, True, -1, "", "soon", "9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", [], 1e300, float("nan")]
)
def test_times_that_are_none(value: Any) -> None:
    assert time_ns(value) is None


def test_what_clients_send_beside_a_run_is_not_of_it() -> None:
    changes = [RunChange(run_uuid(0).bytes, "post", {"id": ID, "attachments": {}, "__ranks__": {"id": 2**70}})]
    assert merged(None, changes) == {"id": ID}
