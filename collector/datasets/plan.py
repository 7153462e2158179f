"""What a change does to the newest version of a dataset. Pure: the store reads and writes around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from collector.datasets.model import (
    MAX_EXAMPLES,
    Change,
    Changed,
    Example,
    Invalid,
    Known,
    checked,
    example_hash,
    new_id,
    same_hash,
    updated,
    version_hash,
)


class NotThere(LookupError):
    """There is no such dataset, version, tag or example: the message says which."""


class TooMany(ValueError):
    """A dataset would hold more than ``MAX_EXAMPLES``."""


@dataclass(slots=True)
class Plan:
    """``written``: examples that are new or otherwise than before, with what is kept of them; ``removed``: ids.
    ``after``: the whole of the next version."""

    after: dict[bytes, Known]
    written: dict[bytes, tuple[Example, Known]] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)
    added: int = 0
    updated: int = 0
    duplicates: int = 0
    ids: list[bytes] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not (self.written or self.removed)

    def outcome(self, version: int) -> Changed:
        found = version_hash(known.hash for known in self.after.values())
        counts = (self.added, self.updated, len(self.removed), self.duplicates)
        return Changed(version, found, *counts, tuple(self.ids))


def plan(known: Mapping[bytes, Known], change: Change, read: Callable[[Sequence[bytes]], Iterable[Example]]) -> Plan:
    """``known``: the newest version, by id; ``read`` gives examples of it. Raises ``NotThere``, ``Invalid``,
    ``TooMany``."""
    planner = _Planner(known)
    for example in change.add:
        planner.add(checked(example), change)
    planner.update(change.update, read)
    planner.remove(change.remove, known)
    if change.replace:
        kept = set(planner.plan.ids) | change.update.keys()
        planner.remove([one for one in known if one not in kept and one in planner.plan.after], known)
    found = planner.plan
    if len(found.after) > MAX_EXAMPLES:
        raise TooMany(f"a dataset holds {MAX_EXAMPLES} examples at most")
    return found


class _Planner:
    def __init__(self, known: Mapping[bytes, Known]) -> None:
        self.plan = Plan(dict(known))
        self._before = known
        self._by_content = {one.same: id_ for id_, one in known.items()}
        self._next = max((one.position for one in known.values()), default=0) + 1

    def add(self, example: Example, change: Change) -> None:
        same = same_hash(example)
        if example.id is None:
            found = self._by_content.get(same) if change.deduplicate else None
            if found is not None and not (change.replace and found not in self.plan.written):
                self.plan.duplicates += 1
                self.plan.ids.append(found)
                return
            example = replace(example, id=found or new_id(same, self.plan.after))
        assert example.id is not None
        self.plan.ids.append(example.id)
        self._write(example, same)

    def update(self, updates: Mapping[bytes, Mapping[str, object]], read: Callable[..., Iterable[Example]]) -> None:
        for one in updates:
            if one not in self._before:
                raise NotThere(f"there is no example {one.hex()}")
        for example in read(list(updates)):
            assert example.id is not None
            pending = self.plan.written.get(example.id)
            changed = updated(pending[0] if pending else example, updates[example.id])
            self._write(changed, same_hash(changed))

    def remove(self, ids: Iterable[bytes], known: Mapping[bytes, Known]) -> None:
        for one in dict.fromkeys(ids):
            if one not in self.plan.after:
                raise NotThere(f"there is no example {one.hex()}")
            if one in self.plan.written:
                raise Invalid(f"example {one.hex()} is removed and given at once", "remove")
            del self.plan.after[one]
            self.plan.removed.append(one)

    def _write(self, example: Example, same: bytes) -> None:
        assert example.id is not None
        there = self.plan.after.get(example.id)
        found = example_hash(example)
        if there is not None and there.hash == found:
            return
        if example.id not in self.plan.written:
            if there is None:
                self.plan.added += 1
            else:
                self.plan.updated += 1
        position = there.position if there else self._next
        self._next += there is None
        kept = Known(position, found, same)
        self.plan.after[example.id] = kept
        self.plan.written[example.id] = (example, kept)
        if there is not None and self._by_content.get(there.same) == example.id:
            del self._by_content[there.same]
        self._by_content.setdefault(same, example.id)
