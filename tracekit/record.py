"""What a span is told of its call: kept for later where nobody can change it meanwhile, else read at once.

Copying plain values costs the application a fraction of writing them; what is kept is read by ``worked_out`` when the
span's attributes are first asked for, which is on an exporter's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tracekit import inputs, semconv
from tracekit.capture import Capture
from tracekit.documents import Document, read_documents
from tracekit.emit import embedding_attributes
from tracekit.freeze import NotPlain
from tracekit.guard import swallow
from tracekit.inputs import Arguments, model_attributes, read_arguments
from tracekit.notes import Notes
from tracekit.objects import said
from tracekit.outputs import looks_like_an_answer, put_answer, put_documents, read_output, read_response, surely_answers
from tracekit.packed import is_clean, keep_arguments, keep_result, unpack
from tracekit.reading import is_a
from tracekit.response import Response
from tracekit.slabs import Kept

if TYPE_CHECKING:
    from tracekit.recording import RecordedSpan
    from tracekit.runtime import Runtime
    from tracekit.span import Span

__all__ = ["read_response"]

_KEPT: Final = frozenset((str, dict, list, tuple))
#: kinds whose results are read in the light of their arguments, or tell what the spans around them are not
_CALLS: Final = frozenset(("embedding", "reranker"))


def arguments(span: Span, given: Arguments) -> None:
    """Record a call's arguments, by parameter name. ``given`` is the span's from now on."""
    capture = span.capture
    if not capture.values:
        return
    keeper = span.keeper
    if keeper is not None:
        try:
            keeper.kept_arguments, size = keep_arguments(given, capture)
            keeper.size += size
            return
        except NotPlain:
            # What comes out wins over what went in where both say the same, so it cannot wait either.
            span.keeper = None
    read_arguments(span, given)


def output(span: Span, value: Any) -> None:
    """Record what came out: a model's answer, documents, vectors, or any value."""
    if value is None or not span.capture.values:
        return
    keeper = span.keeper
    if keeper is not None and type(value) in _KEPT and span.kind not in _CALLS and _kept(span, keeper, value):
        return
    span.read_kept()
    read_output(span, value)


def answer(span: Span, response: Response) -> None:
    """Record a model's answer."""
    span.read_kept()
    put_answer(span, response)


def _kept(span: Span, keeper: RecordedSpan, value: Any) -> bool:
    """Whether a result can wait. What it means for the spans around this one cannot."""
    kind = type(value)
    answers: bool | None = False
    if span.kind == "llm":
        answers = kind is str or surely_answers(value)
        if answers is None:
            return False
    elif not span.settled_kind and looks_like_an_answer(value):
        return False
    try:
        keeper.kept_output, size = keep_result(value, kind, span.capture)
    except NotPlain:
        return False
    keeper.size += size
    if answers:
        span.answered()
    return True


def worked_out(
    kind: str,
    capture: Capture,
    runtime: Runtime,
    provider: str | None,
    later: Sequence[Callable[[], dict[str, Any]]],
    given: Arguments | Kept | None,
    result: Any,
) -> dict[str, Any]:
    """The attributes of what a span kept. The same each time."""
    notes = Notes(kind, True, capture, runtime.most, runtime.conventions)
    notes.provider, notes.frozen = provider, True
    try:
        read = _unpacked(notes, given)
        result = _unpacked(notes, result)
        if read:
            read_arguments(notes, read)
        for work_out in later:
            notes.put(work_out())
        if result is not None:
            read_output(notes, result)
    except Exception as error:  # noqa: BLE001
        swallow("attributes", error)
    return notes.attributes


def _unpacked(notes: Notes, kept: Any) -> Any:
    """A value that was kept. Where it was packed, that is how it is written, unless there is anything to mask in it."""
    if type(kept) is not Kept:
        return kept
    value = unpack(kept)
    if not is_clean(value, notes.capture):
        notes.frozen = False
    elif notes.capture.mask is None:
        notes.packed.append((value, kept))
    return value


# --- what an application sets by itself ------------------------------------------------------------------------------
def given_input(span: Span, value: Any) -> None:
    """Record what ``set_input`` was given."""
    if span.capture.content:
        inputs.given_input(span, value)


def add_documents(span: Span, documents: Any) -> None:
    span.read_kept()
    known = type(documents) is list and bool(documents) and type(documents[0]) is Document
    found = documents if known else read_documents(documents, span.capture.limits.max_items)
    if found:
        put_documents(span, found)


def set_embeddings(span: Span, texts: Iterable[str] | None, vectors: Sequence[Any] | None) -> None:
    found = None if texts is None else [texts] if is_a(texts, str) else [said(text) for text in texts]
    span.put(embedding_attributes(found, None if vectors is None else list(vectors), span.capture, span.most))


def set_model(span: Span, model: Any, provider: str | None = None, response_model: Any = None) -> None:
    attributes = model_attributes(span, model, provider)
    if is_a(response_model, str) and response_model:
        if span.conventions.genai:
            attributes[semconv.GEN_AI_RESPONSE_MODEL] = response_model
        if span.conventions.openinference:
            attributes[semconv.LLM_MODEL_NAME] = response_model
    if attributes:
        span.put(attributes)


def set_prompt(
    span: Span, template: str | None, version: object, variables: Mapping[str, Any] | None, name: str | None
) -> None:
    if version is not None:
        span.put({semconv.PROMPT_VERSION: said(version)})
    if name is not None:
        if span.conventions.openinference:
            span.put({semconv.PROMPT_ID: said(name)})
        if span.conventions.genai:
            span.put({semconv.GEN_AI_PROMPT_NAME: said(name)})
    if span.capture.content and template is not None:
        span.put({semconv.PROMPT_TEMPLATE: span.capture.text(said(template))})
    if span.capture.content and variables is not None:
        span.put({semconv.PROMPT_VARIABLES: span.capture.json(variables)})
