"""Reading protobuf whose strings are not valid UTF-8. Pure.

proto3 forbids it and the parser refuses the whole request, yet senders in languages with byte strings do it. The
request is parsed by a twin of the schema in which every string is bytes, mended, and serialised again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, EncodeError
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto


def with_valid_utf8(body: bytes) -> bytes | None:
    """The same ``TracesData`` with invalid UTF-8 replaced by U+FFFD; None where the body is malformed otherwise."""
    message_class, mended = _twin()
    message = message_class()
    try:
        message.ParseFromString(body)
        _mend(message, mended)
        return bytes(message.SerializeToString())
    except (DecodeError, EncodeError, RecursionError):
        return None


def _mend(message: Any, strings: frozenset[str]) -> None:
    for descriptor, value in message.ListFields():
        many = not isinstance(value, bytes) and hasattr(value, "__len__")
        if descriptor.full_name in strings:
            if many:
                value[:] = [_valid(item) for item in value]
            else:
                setattr(message, descriptor.name, _valid(value))
        elif descriptor.message_type is not None:
            for item in value if many else (value,):
                _mend(item, strings)


def _valid(text: bytes) -> bytes:
    return text.decode("utf-8", "replace").encode()


@cache
def _twin() -> tuple[Any, frozenset[str]]:
    pool = descriptor_pool.DescriptorPool()
    strings: set[str] = set()
    for module in (common_pb2, resource_pb2, trace_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _bytes_for_strings(message, f"{file.package}.{message.name}", strings)
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName("opentelemetry.proto.trace.v1.TracesData")
    return message_factory.GetMessageClass(descriptor), frozenset(strings)


def _bytes_for_strings(message: Any, name: str, strings: set[str]) -> None:
    for field in message.field:
        if field.type == _FIELD.TYPE_STRING:
            field.type = _FIELD.TYPE_BYTES
            strings.add(f"{name}.{field.name}")
    for nested in message.nested_type:
        _bytes_for_strings(nested, f"{name}.{nested.name}", strings)
