"""The outline of a request is what protobuf itself finds in it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.receivers.refusal import Refusal
from collector.receivers.shape import FREE_BYTES, MAX_PARTS, check_shape, parts_of

sizes = st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=3)
#: Fields that no version of OTLP has yet: a varint, eight bytes, four bytes, a text.
unknown = st.sampled_from([b"", b"\xf8\x07\x96\x01", b"\xf9\x07" + b"x" * 8, b"\xfd\x07" + b"x" * 4, b"\xfa\x07\x01x"])


def request_of(outline: list[list[int]]) -> TracesData:
    request = TracesData()
    for scopes in outline:
        resource_spans = request.resource_spans.add(schema_url="http://schema.example")
        resource_spans.resource.attributes.add(key="service.name").value.string_value = "x" * 200
        for spans in scopes:
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = "scope"
            for number in range(spans):
                scope_spans.spans.add(name=f"span {number}", start_time_unix_nano=number)
    return request


@given(sizes, unknown)
def test_every_resource_scope_and_span_is_counted(outline: list[list[int]], extra: bytes):
    body = extra + request_of(outline).SerializeToString()
    found = Counter(parts_of(body))
    scopes = [spans for resource in outline for spans in resource]
    assert (found[1], found[2], found[3]) == (len(outline), len(scopes), sum(scopes))


@given(st.binary(max_size=200))
def test_no_bytes_are_too_much_for_it(body: bytes):
    try:
        assert len(list(parts_of(body))) <= len(body)
    except Refusal as refusal:
        assert refusal.status == 400


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_too_many_parts_are_refused(depth: int):
    request = TracesData()
    if depth == 1:
        body = b"\x0a\x00" * (MAX_PARTS + 1)
    else:
        resource_spans = request.resource_spans.add()
        target = resource_spans.scope_spans if depth == 2 else resource_spans.scope_spans.add().spans
        for _ in range(max(MAX_PARTS, FREE_BYTES // 2) + 1):
            target.add()
        body = request.SerializeToString()
    body += b"\xfa\x07\x80\x80\x10" + bytes(FREE_BYTES)
    with pytest.raises(Refusal) as refusal:
        check_shape(body)
    assert refusal.value.status == 413


def test_what_is_usual_passes():
    body = request_of([[100] * 10] * 20).SerializeToString()
    assert len(body) > FREE_BYTES  # or else it is not looked at
    check_shape(body)
