"""Bodies are bounded: as declared, as they arrive, as they unpack, and all of them together."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.receivers.body import (
    FREE_BYTES,
    MAX_MEMBERS,
    ByteBudget,
    Disconnected,
    Encoding,
    Lease,
    Limits,
    decompress,
    encoding_of,
    read_body,
)
from collector.receivers.refusal import Refusal

MIB = 1024 * 1024
LIMITS = Limits(body_bytes=1000, decompressed_bytes=64 * MIB, body_timeout_s=5)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def zstd_stream(data: bytes) -> bytes:
    """A frame that does not say its content's size, as streaming senders write it."""
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(data) + compressor.flush()


ENCODERS: dict[str, tuple[Encoding, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd stream": ("zstd", zstd_stream),
}
encoders = pytest.mark.parametrize(("encoding", "encode"), ENCODERS.values(), ids=ENCODERS.keys())


def unpacked(body: bytes, encoding: Encoding, limit: int = 64 * MIB, budget: ByteBudget | None = None) -> bytes:
    with Lease(budget or ByteBudget(1024 * MIB)) as lease:
        return decompress(body, encoding, limit, lease)


def refused(body: bytes, encoding: Encoding, **kwargs: Any) -> int:
    with pytest.raises(Refusal) as refusal:
        unpacked(body, encoding, **kwargs)
    return refusal.value.status


@encoders
@given(data=st.binary(max_size=5000), repeats=st.integers(1, 40))
def test_what_was_packed_comes_out(encoding: Encoding, encode: Callable[[bytes], bytes], data: bytes, repeats: int):
    assert unpacked(encode(data * repeats), encoding) == data * repeats


@encoders
def test_large_bodies_come_out_whole(encoding: Encoding, encode: Callable[[bytes], bytes]):
    data = b"".join(index.to_bytes(4, "big") * 3 for index in range(MIB // 4))
    assert unpacked(encode(data), encoding) == data


@encoders
@given(data=st.binary(min_size=50, max_size=2000), cut=st.floats(0, 0.99))
def test_truncation_is_noticed(encoding: Encoding, encode: Callable[[bytes], bytes], data: bytes, cut: float):
    packed = encode(data)
    assert refused(packed[: int(len(packed) * cut)], encoding) == 400


@given(encoding=st.sampled_from(["gzip", "deflate", "zstd"]), body=st.binary(max_size=300))
def test_garbage_is_refused_or_unpacked_but_never_more(encoding: Encoding, body: bytes):
    try:
        unpacked(body, encoding)
    except Refusal as refusal:
        assert refusal.status == 400


def test_a_damaged_checksum_is_refused():
    packed = bytearray(gzip.compress(b"hello" * 100))
    packed[-6] ^= 1
    assert refused(bytes(packed), "gzip") == 400


def test_members_and_frames_are_one_body():
    assert unpacked(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 512, "gzip") == b"one two"
    frame = zstandard.ZstdCompressor().compress
    assert unpacked(frame(b"one ") + frame(b"two"), "zstd") == b"one two"


def test_what_follows_the_data_is_refused():
    assert refused(gzip.compress(b"one") + b"and more", "gzip") == 400
    assert refused(zlib.compress(b"one") + b"x", "deflate") == 400
    assert refused(zstandard.ZstdCompressor().compress(b"one") + b"x", "zstd") == 400


def test_endless_empty_members_are_refused():
    assert refused(gzip.compress(b"") * (MAX_MEMBERS + 1), "gzip") == 400
    assert refused(zstandard.ZstdCompressor().compress(b"") * (MAX_MEMBERS + 1), "zstd") == 400


@encoders
def test_a_bomb_is_stopped_within_its_limit(encoding: Encoding, encode: Callable[[bytes], bytes]):
    budget = ByteBudget(1024 * MIB)
    peaks = []

    class Watched(Lease):
        def grow(self, count: int) -> None:
            super().grow(count)
            peaks.append(budget.used)

    bomb = encode(bytes(9 * MIB))
    with Watched(budget) as lease, pytest.raises(Refusal) as refusal:
        decompress(bomb, encoding, 4 * MIB, lease)
    assert refusal.value.status == 413
    assert max(peaks, default=0) <= 4 * MIB
    assert budget.used == 0


def test_a_small_body_may_not_become_a_large_one():
    bomb = zstandard.ZstdCompressor().compress(bytes(FREE_BYTES + 1))
    assert len(bomb) * 500 < FREE_BYTES
    assert refused(bomb, "zstd") == 413


def test_a_frame_that_needs_a_huge_window_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert refused(compressor.compress(b"x" * 1000) + compressor.flush(), "zstd") == 400


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        (" GZip ", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "deflate"),
        ("zstd", "zstd"),
    ],
)
def test_content_encodings(header: str, encoding: str):
    assert encoding_of(header) == encoding


@pytest.mark.parametrize("header", ["br", "gzip, gzip", "snappy", "x" * 9000])
def test_other_content_encodings_are_unsupported(header: str):
    with pytest.raises(Refusal) as refusal:
        encoding_of(header)
    assert refusal.value.status == 415
    assert len(refusal.value.message) < 200


def read(pieces: Iterable[bytes | None], declared: str | None = None, budget: ByteBudget | None = None) -> bytes:
    """``None`` among the pieces is a sender that went away."""
    messages = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        for piece in pieces
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def reading() -> bytes:
        with Lease(budget or ByteBudget(MIB)) as lease:
            return await read_body(receive, declared, LIMITS, lease)

    return asyncio.run(reading())


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_a_body_is_its_pieces(pieces: list[bytes]):
    assert read(pieces) == b"".join(pieces)


@pytest.mark.parametrize(
    ("pieces", "declared", "status"),
    [([], "1001", 413), ([], "9" * 5000, 413), ([], "-1", 413), ([b"x" * 600, b"x" * 401], None, 413)],
)
def test_a_body_over_the_limit_is_too_large(pieces: list[bytes], declared: str | None, status: int):
    with pytest.raises(Refusal) as refusal:
        read(pieces, declared)
    assert refusal.value.status == status


def test_a_sender_that_goes_away_leaves_nothing_behind():
    budget = ByteBudget(MIB)
    with pytest.raises(Disconnected):
        read([b"x" * 500, None], budget=budget)
    assert budget.used == 0


def test_bodies_together_are_bounded():
    budget = ByteBudget(700)
    with Lease(budget) as other:
        other.grow(400)
        with pytest.raises(Refusal) as refusal:
            read([b"x" * 200, b"x" * 200], budget=budget)
        assert refusal.value.status == 429
        assert refusal.value.retry_after_header == "1"
        assert budget.used == 400
    assert read([b"x" * 700], budget=budget) == b"x" * 700
    assert budget.used == 0


def test_a_body_that_never_ends_times_out():
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def reading() -> None:
        with Lease(ByteBudget(MIB)) as lease:
            await read_body(receive, None, Limits(1000, 1000, 0.01), lease)

    with pytest.raises(Refusal) as refusal:
        asyncio.run(reading())
    assert refusal.value.status == 408
