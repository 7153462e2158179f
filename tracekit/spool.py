"""Spans that could not be delivered, on disk: kept over outages and ends of processes, bounded in bytes, oldest lost
first.

Under the spool's folder each process has one of its own, with a lock (``tracekit.spool_owner``) and segments
(``tracekit.segment``). The folders of processes that have ended are taken over. Only the threads of the exporter come
here. Nothing in it says where the spans are sent, or holds a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tracekit import segment, spool_owner
from tracekit.batch import Batch
from tracekit.counts import Ledger
from tracekit.guard import logger, swallow, warn_once
from tracekit.spool_owner import Owner

_SEGMENT_BYTES: Final = 4 * 1024 * 1024
#: after this many seconds a folder that was never finished is somebody's remains
_ABANDONED: Final = 60.0


@dataclass(slots=True, eq=False)
class _Segment:
    """``at``: where the first undelivered record begins. ``own``: undelivered spans of this process. ``ahead``: records
    behind ``at`` that have been delivered already."""

    path: Path
    owner: Owner
    at: int
    end: int
    own: int = 0
    ahead: set[int] = field(default_factory=set)
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch and its place on disk."""

    batch: Batch
    segment: _Segment
    at: int
    end: int


def name_of(url: str, project: str) -> str:
    """What the spool for one address and project is called."""
    return hashlib.sha256(f"{url}\n{project}".encode()).hexdigest()[:32]


class Spool:
    """The spool ``name`` under the first of ``folders`` that can be used. With ``most_bytes`` 0 it keeps nothing."""

    def __init__(self, folders: Sequence[Path], name: str, most_bytes: int, ledger: Ledger) -> None:
        self._ledger = ledger
        self._place = (tuple(folders), name)
        self._most = most_bytes if spool_owner.supported() else 0
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._base: Path | None = None
        self._mine: Owner | None = None
        self._adopted: list[Owner] = []
        self._segments: list[_Segment] = []
        self._open: tuple[_Segment, int] | None = None
        self._others = 0

    def write(self, batch: Batch) -> Kept | None:
        """Keep a batch; None where that is not possible."""
        with self._lock:
            try:
                if self._most <= 0 or not self._make_room(len(batch.body)):
                    return None
                found, descriptor = self._writable()
                at = found.end
                found.end = segment.append(descriptor, at, batch)
            except OSError as error:
                self._seal()
                warn_once("spool", "the spool cannot be written (%s)", error.strerror or type(error).__name__)
                return None
            if batch.own:
                found.own += batch.spans
            self._ledger.on_disk(batch.own, batch.spans)
            return Kept(batch, found, at, found.end)

    def oldest(self) -> Kept | None:
        """The next batch to deliver; it stays until ``done``."""
        with self._lock:
            while self._segments:
                found = self._segments[0]
                try:
                    kept = self._read(found)
                except OSError as error:
                    swallow("spool", error)
                    kept = None
                if kept is not None:
                    return kept
                self._drop(found)
            return None

    def done(self, kept: Kept) -> bool:
        """Forget a batch. False where it was forgotten or lost before, and so counted."""
        found = kept.segment
        with self._lock:
            if found.gone or kept.at < found.at or kept.at in found.ahead:
                return False
            if kept.batch.own:
                found.own -= kept.batch.spans
            self._ledger.on_disk(kept.batch.own, -kept.batch.spans)
            if kept.at == found.at:
                found.at = kept.end
            else:
                found.ahead.add(kept.at)
            if found.at >= found.end:
                self._delete(found)
            else:
                with contextlib.suppress(OSError):
                    segment.mark(found.path, found.at)
            return True

    def adopt(self) -> None:
        """Take over what processes that have ended left behind."""
        with self._lock:
            try:
                self._adopt()
            except OSError as error:
                swallow("spool", error)

    def move(self, folders: Sequence[Path], name: str, most_bytes: int) -> None:
        """Be another spool from now on; what this process has not delivered comes along."""
        with self._lock:
            self._most = most_bytes if spool_owner.supported() else 0
            if self._place == (tuple(folders), name):
                return
            self._place = (tuple(folders), name)
            self._leave(self._adopted)
            self._base = None
            try:
                self._bring_along()
            except OSError as error:
                swallow("spool", error)

    def close(self) -> None:
        """Leave what others have left to yet others. What this process has not delivered stays its own until it
        ends."""
        with self._lock:
            self._leave(self._adopted)
            if self._mine is not None and not self._segments:
                self._seal()
                self._mine.remove()
                self._mine = None

    def after_fork(self) -> None:
        """In the child: everything here is the parent's."""
        for owner in (*self._adopted, *([self._mine] if self._mine else [])):
            owner.release()
        if self._open is not None:
            os.close(self._open[1])
        self._reset()

    # --- with the lock held ------------------------------------------------------------------------------------------
    def _make_room(self, size: int) -> bool:
        if size > self._most - self._others:
            return False
        while self._segments and self._bytes() + self._others + size > self._most:
            self._drop(self._segments[0])
            warn_once("spool full", "the spool is full; its oldest spans are lost and counted, see tracekit.stats()")
        return True

    def _bytes(self) -> int:
        return sum(found.end for found in self._segments)

    def _writable(self) -> tuple[_Segment, int]:
        """The segment that is being written, and its descriptor."""
        if self._open is not None and self._open[0].end >= min(_SEGMENT_BYTES, self._most // 8):
            self._seal()
        if self._open is None:
            if self._mine is None:
                self._mine = spool_owner.create(self._find(make=True))
            path = self._mine.folder / f"{time.time_ns():020}{segment.SUFFIX}"
            descriptor = segment.create(path)
            begin = segment.begin(path)
            self._open = (_Segment(path, self._mine, begin, begin), descriptor)
            self._segments.append(self._open[0])
        return self._open

    def _seal(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _find(self, make: bool) -> Path:
        """The spool's folder. Raises OSError."""
        if self._base is None or not self._base.is_dir():
            self._base = None
            folders, name = self._place
            problem: OSError = FileNotFoundError(2, "there is no folder for the spool")
            for folder in folders:
                try:
                    if make or (folder / name).is_dir():
                        self._base = spool_owner.base_folder(folder, name)
                        break
                except OSError as error:
                    problem = error
            else:
                raise problem
        return self._base

    def _read(self, found: _Segment) -> Kept | None:
        """The first undelivered batch of a segment; None at its end, and where it is damaged."""
        while (record := segment.record(found.path, found.at)) is not None:
            if record.at not in found.ahead:
                batch = segment.batch(found.path, record, own=found.owner is self._mine)
                return None if batch is None else Kept(batch, found, record.at, record.end)
            found.ahead.discard(record.at)
            found.at = record.end
        return None

    def _drop(self, found: _Segment) -> None:
        """Give a segment up: what is left in it is lost."""
        others = 0
        with contextlib.suppress(OSError):
            left = [item for item in segment.records(found.path, found.at) if item.at not in found.ahead]
            others = sum(item.spans for item in left if found.owner is not self._mine or not item.own)
        if found.at < found.end and found.own == others == 0:
            logger.warning("the end of a file of the spool was never written: its process was killed")
        self._ledger.on_disk(True, -found.own)
        self._ledger.lost(True, found.own)
        self._ledger.lost(False, others)
        found.own = 0
        self._delete(found)

    def _delete(self, found: _Segment) -> None:
        found.gone = True
        self._segments.remove(found)
        if self._open is not None and self._open[0] is found:
            self._seal()
        with contextlib.suppress(OSError):
            found.path.unlink()
        if found.owner in self._adopted and not any(other.owner is found.owner for other in self._segments):
            self._adopted.remove(found.owner)
            found.owner.remove()

    def _adopt(self) -> None:
        if self._most <= 0:
            return
        try:
            base = self._find(make=False)
        except FileNotFoundError:
            return
        self._others = 0
        held = {owner.folder for owner in (*self._adopted, *([self._mine] if self._mine else []))}
        for folder in base.iterdir():
            if folder in held or (folder.name.startswith(".") and not _old(folder)):
                continue
            owner = spool_owner.take(folder)
            if owner is None:
                self._others += sum(path.stat().st_size for path in _files(folder))
                continue
            self._load(owner)
        self._segments.sort(key=lambda found: found.path.name)

    def _load(self, owner: Owner) -> None:
        known = []
        for path in _files(owner.folder):
            with contextlib.suppress(OSError, segment.Foreign):
                known.append(_Segment(path, owner, segment.begin(path), path.stat().st_size))
        if known:
            self._adopted.append(owner)
            self._segments += known
        elif _files(owner.folder):
            owner.release()  # of a version to come: not ours to read
        else:
            owner.remove()

    def _leave(self, owners: list[Owner]) -> None:
        for found in [found for found in self._segments if found.owner in owners]:
            found.gone = True
            self._segments.remove(found)
        for owner in owners:
            owner.release()
        owners.clear()

    def _bring_along(self) -> None:
        if self._mine is None:
            return
        folder = self._find(make=True) / self._mine.folder.name
        self._mine.folder.rename(folder)
        self._mine.folder = folder
        for found in self._segments:
            found.path = folder / found.path.name


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.glob(f"*{segment.SUFFIX}"))
    return []


def _old(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - folder.stat().st_mtime > _ABANDONED
    return False
