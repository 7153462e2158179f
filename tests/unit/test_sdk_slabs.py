"""Texts that are copied into memory that is used again: each reads as it was while anybody holds it."""

from __future__ import annotations

import os
import random
import threading

import pytest

from tracekit import slabs
from tracekit.slabs import SLAB, Kept, keep


def _text(number: int, size: int) -> bytes:
    return (f"{number:08d}é".encode() * (size // 10 + 1))[:size].decode(errors="ignore").encode()


def test_texts_read_as_they_were_however_long_they_are_held() -> None:
    chosen = random.Random(5)
    held: list[tuple[Kept, bytes]] = []
    for number in range(3_000):
        text = _text(number, chosen.randrange(0, 20_000))
        held.append((keep(text), text))
        if len(held) > 200:
            found, expected = held.pop(chosen.randrange(len(held)))
            assert found.text().encode() == expected and bytes(found.view()) == expected
    assert all(found.text().encode() == expected for found, expected in held)


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    buffers = set()
    for number in range(400):
        buffers.add(id(keep(_text(number, 10_000)).view().obj))
    assert len(buffers) <= 3


def test_a_long_text_is_kept_as_it_is() -> None:
    text = _text(1, SLAB)
    assert keep(text).view().obj is text


def test_threads_do_not_write_over_each_other() -> None:
    wrong: list[int] = []

    def work(of: int) -> None:
        held = []
        for number in range(400):
            text = _text(of * 1_000 + number, 3_000)
            held.append((keep(text), text))
        wrong.extend(of for found, expected in held if bytes(found.view()) != expected)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork: no child inherits a lock")
def test_a_child_process_copies_though_a_thread_held_the_lock() -> None:
    before = keep(b"parent's")
    with slabs._lock:
        child = os.fork()
        if not child:
            kept = keep(b"child's")
            right = kept.text() == "child's" and before.text() == "parent's"
            os._exit(0 if right and isinstance(kept.view().obj, bytearray) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert before.text() == "parent's"
