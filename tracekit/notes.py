"""What is known of one call while its arguments and its result are read, and where its attributes go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tracekit.capture import Capture
from tracekit.conventions import Conventions
from tracekit.documents import Document
from tracekit.reading import is_a
from tracekit.semconv import MIME_JSON, MIME_TEXT
from tracekit.slabs import Kept

CALL_KINDS: Final = frozenset(("llm", "embedding", "reranker"))


class Notes:
    """``kind`` as in ``tracekit.semconv.OPENINFERENCE_KINDS``; ``settled_kind`` where somebody chose it. ``most`` is
    how many messages, documents and vectors are flattened into attributes."""

    _answered = False
    #: a reranker's input documents
    inputs: list[Document] | None = None
    #: attributes that hold only if this turns out to be a model call
    request: dict[str, Any] | None = None
    provider: str | None = None
    request_model: str | None = None
    #: whether the values are copies that were found plain and small when they were made
    frozen = False

    def __init__(self, kind: str, settled_kind: bool, capture: Capture, most: int, conventions: Conventions) -> None:
        self.kind = kind
        self.settled_kind = settled_kind
        self.capture = capture
        self.most = most
        self.conventions = conventions
        self.attributes: dict[str, Any] = {}
        #: values with their JSON, in which there is nothing to mask
        self.packed: list[tuple[Any, Kept]] = []

    @property
    def may_be_a_call(self) -> bool:
        return self.kind in CALL_KINDS or (not self.settled_kind and not self._answered)

    def put(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes that are already fit for OpenTelemetry."""
        self.attributes.update(attributes)

    def later(self, size_of: Callable[[Any], int | None], work_out: Callable[..., dict[str, Any]], *given: Any) -> None:
        """Add the attributes that ``work_out(*given)`` gives, now or when they are needed. ``size_of`` says of the
        first of ``given`` how many characters it holds; None where somebody may still change it."""
        self.attributes.update(work_out(*given))

    def json(self, value: Any) -> str:
        """A value of the call as JSON text, bounded and masked."""
        if self.frozen and self.capture.mask is None:
            for known, packed in self.packed:
                if known is value:
                    return packed.text()
            return self.capture.json_of_small(value)
        return self.capture.json(value)

    def value(self, value: Any, key: str, mime_key: str) -> dict[str, str]:
        """A value of the call under ``key``: text as it is, anything else as JSON."""
        if is_a(value, str):
            return {key: self.capture.text(value), mime_key: MIME_TEXT}
        return {key: self.json(value), mime_key: MIME_JSON}

    def become(self, kind: str) -> None:
        """Change the kind of a call whose kind nobody chose."""
        self.kind = kind

    def answered(self) -> None:
        """A model's answer was recorded here."""

    def read_kept(self) -> None:
        """Read the arguments, where they were only kept so far."""
