"""What storage promises about reviews: traces are handed out to people, each to one of them at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collector.storage.api import TraceQuery

#: How long a trace is kept for whoever got it.
RESERVED_NS: Final = 10 * 60 * 10**9
#: How long a skipped trace is not handed to the same reviewer again.
SKIPPED_NS: Final = 24 * 3600 * 10**9
#: More than so many that are left are not counted.
MAX_LEFT: Final = 1_000


@dataclass(slots=True, frozen=True)
class ReviewQuery:
    """Which of the ``traces`` (sort, limit and cursor do not matter) are to be reviewed: those without an annotation
    called ``name`` by a person; with ``each_reviewer``, without one by this reviewer, its ``identifier``."""

    name: str
    reviewer: str
    traces: TraceQuery
    each_reviewer: bool = False


@dataclass(slots=True, frozen=True)
class Review:
    """``left`` counts this trace, and not what others have or what was skipped."""

    trace_id: bytes | None = None
    reserved_until_ns: int | None = None
    left: int = 0


class ReviewStore(Protocol):
    def next_review(self, query: ReviewQuery, *, now_ns: int) -> Review:
        """Reserve the oldest trace to review, or the one that the reviewer has reserved already, for ``RESERVED_NS``
        from now. Nobody else gets it meanwhile, unless its reviewer annotated or skipped it. Raises ``TooBroad``."""
        ...

    def skip_review(self, trace_id: bytes, name: str, reviewer: str, *, now_ns: int) -> bool:
        """Release it, and do not hand it to this reviewer for ``SKIPPED_NS``. False where there is no such trace."""
        ...
