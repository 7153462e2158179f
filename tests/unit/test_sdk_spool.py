"""The spool: what is written is read again, once, whoever dies; bounded; never in the way."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from tracekit import batch as batches
from tracekit import segment
from tracekit.batch import Batch, batch_of, halves
from tracekit.counts import Ledger
from tracekit.encode import Encoder
from tracekit.spool import Spool

Make = Callable[..., Spool]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    made: list[Spool] = []

    def create(most_bytes: int = 1_000_000, name: str = "there", ledger: Ledger | None = None) -> Spool:
        made.append(Spool([folder], name, most_bytes, ledger or Ledger()))
        return made[-1]

    yield create
    for spool in made:
        spool.after_fork()  # gives every lock back


def drained(spool: Spool) -> list[bytes]:
    found = []
    while (kept := spool.oldest()) is not None:
        found.append(kept.batch.body)
        assert spool.done(kept)
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"*{segment.SUFFIX}"))


def test_batches_come_back_in_order_and_nothing_stays(make: Make, folder: Path) -> None:
    ledger = Ledger()
    spool = make(ledger=ledger)
    bodies = [f"body {n}".encode() for n in range(5)]
    for body in bodies:
        assert spool.write(Batch(body, 2)) is not None
    assert ledger.spooled == 10
    assert drained(spool) == bodies
    assert (ledger.spooled, files(folder)) == (0, [])
    spool.close()
    assert list((folder / "there").iterdir()) == []


def test_only_its_user_may_read_it(make: Make, folder: Path) -> None:
    make().write(Batch(b"private", 1))
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_others_may_read_is_not_used(make: Make, folder: Path) -> None:
    (folder / "there").mkdir(parents=True)
    (folder / "there").chmod(0o755)
    assert make().write(Batch(b"private", 1)) is None
    assert files(folder) == []


def test_the_first_folder_that_can_be_used_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    spool = Spool([tmp_path / "file", folder], "there", 1_000_000, Ledger())
    assert spool.write(Batch(b"body", 1)) is not None
    assert len(files(folder)) == 1
    spool.after_fork()


def test_what_is_delivered_once_is_not_delivered_again(make: Make) -> None:
    spool = make()
    first, second = spool.write(Batch(b"first", 1)), spool.write(Batch(b"second", 1))
    assert first is not None and second is not None
    assert spool.done(second) and not spool.done(second)
    assert drained(spool) == [b"first"]
    assert not spool.done(first)


def test_a_process_that_has_ended_is_inherited_with_what_it_had_not_delivered(make: Make, folder: Path) -> None:
    before, ledger = make(), Ledger()
    for body in (b"one", b"two", b"three"):
        before.write(Batch(body, 1))
    kept = before.oldest()
    assert kept is not None and before.done(kept)
    after = make(ledger=ledger)
    after.adopt()
    assert after.oldest() is None, "it lives"
    before.after_fork()
    after.adopt()
    other = make()
    other.adopt()
    assert other.oldest() is None, "it was inherited already"
    found = after.oldest()
    assert found is not None and found.batch == Batch(b"two", 1, own=False)
    assert drained(after) == [b"two", b"three"]
    assert (ledger.spooled, list((folder / "there").iterdir())) == (0, [])


def test_what_was_inherited_and_not_delivered_is_left_to_the_next(make: Make) -> None:
    before, after, last = make(), make(), make()
    before.write(Batch(b"one", 1))
    before.after_fork()
    after.adopt()
    after.close()
    last.adopt()
    assert drained(last) == [b"one"]


@given(cut=st.integers(0, 200), flip=st.integers(0, 199))
def test_a_record_that_is_not_whole_ends_its_file_and_nothing_else(
    cut: int, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("segments") / "a.spool"
    descriptor = segment.create(path)
    end, ends = segment.begin(path), []
    for n in range(5):
        end = segment.append(descriptor, end, Batch(bytes([n]) * 20, n + 1))
        ends.append(end)
    os.close(descriptor)
    data = bytearray(path.read_bytes()[: end - cut if cut < end else None])
    if flip < len(data):
        data[flip] ^= 0xFF
    path.write_bytes(data)
    try:
        at, read = segment.begin(path), []
        while (record := segment.record(path, at)) is not None:
            batch = segment.batch(path, record, own=True)
            if batch is None:
                break
            read.append(batch.body)
            at = record.end
    except segment.Foreign:
        return
    known = [bytes([n]) * 20 for n in range(5)]
    assert all(body in known for body in read)
    if flip >= len(data):
        assert read == known[: sum(1 for end in ends if end <= len(data))]


def test_a_damaged_file_does_not_keep_the_others_from_being_sent(make: Make, folder: Path) -> None:
    before, ledger = make(most_bytes=1_000), Ledger()
    for n in range(4):
        before.write(Batch(bytes([n]) * 150, 1))
    before.after_fork()
    damaged = files(folder)[1]
    damaged.write_bytes(damaged.read_bytes()[:-10])
    after = make(ledger=ledger)
    after.adopt()
    assert len(drained(after)) == 3
    assert files(folder) == []


def test_a_file_that_was_only_begun_is_cleared_away(make: Make, folder: Path) -> None:
    before, after = make(), make()
    before.write(Batch(b"x", 1))
    before.after_fork()
    files(folder)[0].write_bytes(b"TKSP")
    after.adopt()
    assert after.oldest() is None and list((folder / "there").iterdir()) == []


def test_files_of_another_version_are_left_alone(make: Make, folder: Path) -> None:
    before = make()
    before.write(Batch(b"newer", 1))
    before.after_fork()
    [path] = files(folder)
    path.write_bytes(path.read_bytes().replace(b"TKSPOOL\x01", b"TKSPOOL\x02"))
    after = make()
    after.adopt()
    assert after.oldest() is None
    assert after.write(Batch(b"mine", 1)) is not None
    assert path.exists() and drained(after) == [b"mine"]


def test_bytes_are_bounded_and_the_oldest_are_lost_and_counted(make: Make, folder: Path) -> None:
    ledger = Ledger()
    spool = make(most_bytes=10_000, ledger=ledger)
    for n in range(100):
        assert spool.write(Batch(struct.pack("<I", n) * 100, 3)) is not None
        assert sum(path.stat().st_size for path in files(folder)) <= 10_500
    assert ledger.spooled + ledger.dropped == 300 and ledger.dropped > 200
    numbers = [struct.unpack_from("<I", body)[0] for body in drained(spool)]
    assert numbers == list(range(100 - len(numbers), 100)) and len(numbers) * 3 == 300 - ledger.dropped


def test_what_ended_processes_left_is_lost_before_ones_own_and_counted_apart(make: Make) -> None:
    before, ledger = make(most_bytes=4_000), Ledger()
    for _ in range(6):
        before.write(Batch(b"old" * 200, 1))
    before.after_fork()
    spool = make(most_bytes=4_000, ledger=ledger)
    spool.adopt()
    for _ in range(4):
        assert spool.write(Batch(b"new" * 200, 1)) is not None
    assert (ledger.dropped, ledger.spooled) == (0, 4) and ledger.discarded >= 4


def test_a_batch_larger_than_the_spool_and_a_spool_of_nothing(make: Make, folder: Path) -> None:
    assert make(most_bytes=100).write(Batch(b"x" * 200, 1)) is None
    assert make(most_bytes=0).write(Batch(b"x", 1)) is None
    assert not folder.exists()


def test_a_full_disk_keeps_what_is_there(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = make()
    spool.write(Batch(b"before", 1))
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", full)
        assert spool.write(Batch(b"while", 1)) is None
    spool.write(Batch(b"after", 1))
    assert drained(spool) == [b"before", b"after"]


def test_files_that_somebody_removed_are_counted_as_lost(make: Make, folder: Path) -> None:
    ledger = Ledger()
    spool = make(ledger=ledger)
    spool.write(Batch(b"gone", 2))
    for path in files(folder):
        path.unlink()
    assert spool.oldest() is None
    assert (ledger.spooled, ledger.dropped) == (0, 2)
    assert spool.write(Batch(b"next", 1)) is not None
    assert drained(spool) == [b"next"]


def test_what_is_undelivered_follows_to_another_address(make: Make, folder: Path) -> None:
    spool, other = make(), make(name="elsewhere")
    spool.write(Batch(b"one", 1))
    spool.move([folder], "elsewhere", 1_000_000)
    spool.write(Batch(b"two", 1))
    assert [path.parts[-3] for path in files(folder)] == ["elsewhere"] * len(files(folder))
    spool.after_fork()
    other.adopt()
    assert drained(other) == [b"one", b"two"]


def test_a_fork_leaves_the_lock_with_the_parent(folder: Path) -> None:
    program = f"""
        import os, sys, time
        from pathlib import Path
        from tracekit.batch import Batch
        from tracekit.counts import Ledger
        from tracekit.spool import Spool
        def adopted():
            spool = Spool([Path({str(folder)!r})], "there", 1000, Ledger())
            spool.adopt()
            return spool.oldest() is not None
        spool = Spool([Path({str(folder)!r})], "there", 1000, Ledger())
        spool.write(Batch(b"parent", 1))
        read, write = os.pipe()
        parent = os.getpid()
        if os.fork():
            os.read(read, 1)
            os._exit(0)
        spool.after_fork()
        print(adopted())
        os.write(write, b"x")
        while os.getppid() == parent:
            time.sleep(0.01)
        print(adopted())
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")


def encoded(names: list[tuple[str, str]]) -> Batch:
    encoder = Encoder("p")
    resources = {name: Resource({"service.name": name}) for name, _ in names}
    context = SpanContext(1, 2, False, TraceFlags(1))
    spans = [
        ReadableSpan(name, context, resource=resources[service], start_time=1, end_time=2) for service, name in names
    ]
    return batch_of(encoder.encode(span) for span in spans)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=5)), min_size=2, max_size=9))
def test_halves_are_the_whole(names: list[tuple[str, str]]) -> None:
    whole = encoded(names)
    first, second = halves(whole)
    assert (first.spans + second.spans, first.spans) == (len(names), len(names) // 2)
    assert list(batches._parts(first.body)) + list(batches._parts(second.body)) == list(batches._parts(whole.body))
    merged = batch_of([*batches._parts(first.body), *batches._parts(second.body)])
    assert merged == whole


@given(st.binary(max_size=60))
def test_what_is_no_request_is_refused_as_such(body: bytes) -> None:
    try:
        first, second = halves(Batch(body, 2))
    except ValueError:
        return
    assert list(batches._parts(first.body + second.body)) == list(batches._parts(body))
