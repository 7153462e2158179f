"""LangChain and LangGraph: every run of a chain, graph, node, model, tool and retriever becomes a span.

    from tracekit.integrations.langchain import TracekitCallbackHandler

    chain.invoke(question, config={"callbacks": [TracekitCallbackHandler()]})

With ``TRACEKIT_TRACING=true`` or ``trace_all()`` the same happens to every run of the process. Needs langchain-core
(the extra ``langchain``); runs of LangGraph come through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler

from tracekit import record, semconv
from tracekit.emit import REQUEST
from tracekit.guard import guarded, swallow
from tracekit.integrations import langchain_reading as reading
from tracekit.integrations.langchain_runs import Run, Runs
from tracekit.reading import get, is_a, is_list, text_of

__all__ = ["TracekitCallbackHandler", "trace_all"]

_runs: Final = Runs()

#: metadata that LangChain and LangGraph add for machines
_OWN_METADATA: Final = frozenset(
    ("ls_integration", "lc_versions", "lc_agent_name", "checkpoint_ns", "langgraph_triggers", "langgraph_path")
)
_MACHINE_PREFIXES: Final = ("ls_", "__pregel", "langgraph_checkpoint", "langgraph_request")
#: tags that number the steps of a sequence, a map or a graph
_MACHINE_TAGS: Final = ("seq:step:", "map:key:", "graph:step:", "langsmith:")
_SESSIONS: Final = ("session_id", "thread_id", "conversation_id")
#: what LangChain calls a run beside "chain"
_KINDS: Final = {"prompt": "prompt", "parser": "task"}
#: LangChain streams also where the parameters say that it does not
_REQUEST: Final = REQUEST - {"stream"}
_TOOL: Final = {semconv.GEN_AI_TOOL_TYPE: "function"}


class TracekitCallbackHandler(BaseCallbackHandler):
    """Give it as ``config={"callbacks": [handler]}``, to one call or to many at once: it holds no state of its own.

    ``session_id`` (or ``thread_id``, ``conversation_id``) and ``user_id`` in a run's metadata, and ``thread_id`` in its
    ``configurable``, become the span's session and user. Never raises into the chain.
    """

    #: in the thread or task of the run, so that its span can be made the current one there
    run_inline = True
    raise_error = False

    # --- chains, graphs, nodes ---------------------------------------------------------------------------------------
    @guarded
    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **given: Any) -> None:
        metadata = given.get("metadata") or {}
        name = _name(serialized, given, "chain")
        kind = "agent" if _is_agent(name, metadata) else _KINDS.get(str(given.get("run_type")), "chain")
        static = {semconv.AGENT_NAME: name, semconv.GEN_AI_AGENT_NAME: name} if kind == "agent" else {}
        run = _begin(run_id, given, name, kind, static)
        if run is not None:
            run.unread = _is_unread(inputs)
            if not run.unread:
                _put_input(run, inputs)

    @guarded
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **given: Any) -> None:
        def write(run: Run) -> None:
            _late_input(run, given)
            if run.span.capture.content:
                run.span.returned(reading.plain(outputs))

        _end(run_id, write)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **given: Any) -> None:
        _end(run_id, lambda run: _late_input(run, given), error)

    # --- models ------------------------------------------------------------------------------------------------------
    @guarded
    def on_chat_model_start(self, serialized: Any, messages: list[list[Any]], *, run_id: UUID, **given: Any) -> None:
        asked = [reading.plain_message(message) for message in messages[0]] if messages else []
        _begin_model(serialized, {"messages": asked}, run_id, given)

    @guarded
    def on_llm_start(self, serialized: Any, prompts: list[str], *, run_id: UUID, **given: Any) -> None:
        _begin_model(serialized, {"messages": prompts[0]} if prompts else {}, run_id, given)

    @guarded
    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **_: Any) -> None:
        run = _runs.get(run_id)
        if run is None or run.streamed:
            return
        run.step_out()
        message = get(chunk, "message")
        if token or get(message, "tool_call_chunks") or get(get(message, "additional_kwargs"), "reasoning_content"):
            _first_token(run)

    @guarded
    def on_stream_event(self, event: Any, *, run_id: UUID, **_: Any) -> None:
        run = _runs.get(run_id)
        if run is None or run.streamed:
            return
        run.step_out()
        if get(event, "event") == "content-block-delta":
            _first_token(run)

    @guarded
    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        _end(run_id, lambda run: _answer(run, response))

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **given: Any) -> None:
        def write(run: Run) -> None:
            if run.streamed:
                run.span.put({semconv.STREAM_INCOMPLETE: True})
                _answer(run, given.get("response"))

        _end(run_id, write, error)

    # --- tools -------------------------------------------------------------------------------------------------------
    @guarded
    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **given: Any) -> None:
        name = _name(serialized, given, "tool")
        static: dict[str, Any] = {**_TOOL, semconv.TOOL_NAME: name, semconv.GEN_AI_TOOL_NAME: name}
        about = text_of(serialized, "description")
        if about:
            summary = about.partition("\n\n")[0][:1000]
            static |= {semconv.TOOL_DESCRIPTION: summary, semconv.GEN_AI_TOOL_DESCRIPTION: summary}
        run = _begin(run_id, given, name, "tool", static)
        if run is None:
            return
        _put_call_id(run, given.get("tool_call_id"))
        arguments = given.get("inputs")
        # A copy: the tool is called with what is in the dict itself.
        record.arguments(run.span, dict(arguments) if is_a(arguments, dict) else {"input": input_str})

    @guarded
    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        _end(run_id, lambda run: _tool_result(run, output))

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        _end(run_id, None, error)

    # --- retrievers --------------------------------------------------------------------------------------------------
    @guarded
    def on_retriever_start(self, serialized: Any, query: str, *, run_id: UUID, **given: Any) -> None:
        run = _begin(run_id, given, _name(serialized, given, "Retriever"), "retriever", {})
        if run is not None:
            _put_input(run, query)

    @guarded
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **_: Any) -> None:
        _end(run_id, lambda run: run.span.returned(list(documents)))

    @guarded
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        _end(run_id, None, error)

    # --- what happens meanwhile --------------------------------------------------------------------------------------
    @guarded
    def on_retry(self, retry_state: Any, *, run_id: UUID, **_: Any) -> None:
        run = _runs.get(run_id)
        if run is not None:
            run.span.add_event("retry", {"attempt": get(retry_state, "attempt_number") or 0})

    @guarded
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **_: Any) -> None:
        run = _runs.get(run_id)
        if run is not None:
            run.span.add_event(str(name), {"data": data} if run.span.capture.content else None)


# --- starting --------------------------------------------------------------------------------------------------------
def _begin(run_id: UUID, given: Mapping[str, Any], name: str, kind: str, static: Mapping[str, Any]) -> Run | None:
    about = _about(given.get("metadata") or {}, given.get("tags") or ())
    alone = (given.get("batch_size") or 1) == 1
    return _runs.begin(run_id, given.get("parent_run_id"), name, kind, static, about, alone)


def _begin_model(serialized: Any, asked: dict[str, Any], run_id: UUID, given: Mapping[str, Any]) -> None:
    run = _begin(run_id, given, _name(serialized, given, "model"), "llm", {})
    if run is None or not run.span.is_recording() or not run.span.capture.values:
        return
    parameters = given.get("invocation_params") or {}
    model, provider = reading.request_of(given.get("metadata") or {}, parameters)
    request = {name: value for name, value in parameters.items() if name in _REQUEST and value is not None}
    if provider is not None:
        record.set_model(run.span, model, provider)
    record.arguments(run.span, {**request, **({"model": model} if model else {}), **asked})


def _name(serialized: Any, given: Mapping[str, Any], otherwise: str) -> str:
    """As LangChain's own tracer names runs."""
    path = get(serialized, "id")
    last = path[-1] if is_list(path) and path else None
    return str(given.get("name") or text_of(serialized, "name") or last or otherwise)


def _is_agent(name: str, metadata: Mapping[str, Any]) -> bool:
    """LangChain's agents. Their nodes inherit an agent's metadata, and have names of their own."""
    if name in ("AgentExecutor", metadata.get("lc_agent_name")):
        return True
    return metadata.get("ls_integration") == "langchain_create_agent" and "langgraph_node" not in metadata


def _about(metadata: Mapping[str, Any], tags: Sequence[str]) -> dict[str, Any]:
    """What a run's metadata and tags say, as ``tracekit.context`` takes it."""
    kept = {
        key: value
        for key, value in metadata.items()
        if key not in _OWN_METADATA and not key.startswith(_MACHINE_PREFIXES)
    }
    return {
        "session_id": next((found for key in _SESSIONS if (found := _identity(metadata.get(key)))), None),
        "user_id": _identity(metadata.get("user_id")),
        "tags": [tag for tag in tags if not tag.startswith(_MACHINE_TAGS)],
        "metadata": kept,
    }


def _identity(value: Any) -> str | None:
    try:
        return None if value is None else str(value) or None
    except Exception:  # noqa: BLE001 - a foreign __str__
        return None


# --- inputs and ends -------------------------------------------------------------------------------------------------
def _put_input(run: Run, value: Any) -> None:
    if not run.span.is_recording() or not run.span.capture.content:
        return
    shown = reading.plain(value)
    if type(shown) is dict and all(type(name) is str for name in shown):
        record.arguments(run.span, shown)
    else:
        run.span.set_input(shown)


def _is_unread(inputs: Any) -> bool:
    """What LangChain says while the input is a stream that nobody has read yet."""
    return inputs in ("", {"input": ""}) if is_a(inputs, (str, dict)) else False


def _late_input(run: Run, given: Mapping[str, Any]) -> None:
    if run.unread and given.get("inputs") is not None:
        _put_input(run, given["inputs"])


def _first_token(run: Run) -> None:
    run.streamed = True
    run.span.put({semconv.GEN_AI_REQUEST_STREAM: True})
    run.span.first_token()


def _put_call_id(run: Run, call_id: Any) -> None:
    if is_a(call_id, str) and call_id:
        run.span.put({semconv.TOOL_CALL_ID: call_id, semconv.GEN_AI_TOOL_CALL_ID: call_id})


def _answer(run: Run, result: Any) -> None:
    if run.span.capture.values and result is not None:
        record.answer(run.span, reading.read_result(result))


def _tool_result(run: Run, output: Any) -> None:
    if not reading.is_message(output):
        run.span.returned(reading.plain(output))
        return
    _put_call_id(run, get(output, "tool_call_id"))
    result = get(output, "content")
    run.span.returned(result)
    if get(output, "status") == "error":
        run.span.record_error(str(result))


def _end(run_id: UUID, write: Callable[[Run], None] | None, error: Any = None) -> None:
    """End a run, whatever becomes of what is to be written on its span."""
    run = _runs.pop(run_id)
    if run is None:
        return
    failure = error if is_a(error, BaseException) else None
    try:
        if write is not None and run.span.is_recording():
            write(run)
        if failure is not None and _is_control_flow(failure):
            run.span.add_event(type(failure).__name__, _why(run, failure))
            failure = None
        elif error is not None and failure is None:
            run.span.record_error(str(error))
    except Exception as fault:  # noqa: BLE001
        swallow("langchain", fault)
    run.end(failure)


def _is_control_flow(error: BaseException) -> bool:
    """LangGraph raises its interrupts and jumps; they are no failures."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _why(run: Run, error: BaseException) -> dict[str, Any] | None:
    return {"value": reading.plain(list(error.args))} if run.span.capture.content else None


# --- all runs of the process -----------------------------------------------------------------------------------------
_everywhere: ContextVar[TracekitCallbackHandler | None] | None = None


def trace_all() -> None:
    """Trace every run of LangChain in this process from now on, as ``TRACEKIT_TRACING=true`` does.

    A run that has a ``TracekitCallbackHandler`` of its own is still one span. A second call does nothing.
    """
    global _everywhere
    from langchain_core.tracers.context import register_configure_hook

    if _everywhere is None:
        handler = TracekitCallbackHandler()
        _everywhere = ContextVar("tracekit_langchain", default=handler)
        register_configure_hook(_everywhere, inheritable=True, handle_class=TracekitCallbackHandler)
