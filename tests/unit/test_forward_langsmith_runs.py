"""What of a span LangSmith is told, and in which shape."""

from __future__ import annotations

import json
from typing import Any

import orjson
from langsmith.schemas import Run as ClientRun
from langsmith_records import records_of, records_of_changes
from langsmith_runs import ended, run_uuid, started
from langsmith_strict_rules import check_run
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from collector.codec.otlp import decode_traces
from collector.codec.runs import RunChange
from collector.exporters.api import Record
from collector.exporters.langsmith.ids import Roots
from collector.exporters.langsmith.runs import document_of, run_of
from collector.model import Cost, ErrorInfo
from collector.processors.chain import process

START = 1_767_323_045_678_901_234


def record_of(
    attributes: dict[str, Any], name: str = "s", resource: dict[str, Any] | None = None, **span: Any
) -> Record:
    data = TracesData()
    resource_spans = data.resource_spans.add()
    _add(resource_spans.resource.attributes, resource or {})
    wired = resource_spans.scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name=name, start_time_unix_nano=START, end_time_unix_nano=START + 10**9,
        **span,
    )  # fmt: skip
    _add(wired.attributes, attributes)
    (found,) = records_of(process(decode_traces(data.SerializeToString())))
    return found


def _add(pairs: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(pairs.add(key=key).value, kind, value)


def told(record: Record, project: str | None = None) -> dict[str, Any]:
    """As it arrives."""
    run = run_of(record, Roots(), project)
    found: dict[str, Any] = orjson.loads(run.document())
    check_run(found, "post")
    ClientRun(**found)
    return found


def llm(messages: list[dict[str, Any]], answer: list[dict[str, Any]], **more: Any) -> Record:
    return record_of(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": "m-1",
            "gen_ai.response.model": "m-1-2026",
            "gen_ai.response.id": "r-1",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 3,
            "gen_ai.input.messages": json.dumps(messages),
            "gen_ai.output.messages": json.dumps(answer),
            **more,
        }
    )


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def test_a_chat_is_openai_s() -> None:
    call = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Lisbon"}}
    asked = [
        said("system", {"type": "text", "content": "Be short."}),
        said(
            "user", {"type": "text", "content": "Look:"}, {"type": "uri", "modality": "image", "uri": "https://x/i.png"}
        ),
        said("assistant", call),
        said("tool", {"type": "tool_call_response", "id": "c1", "response": {"c": 21}}),
    ]
    answer = [said("assistant", {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "21 C"})]
    run = told(llm(asked, answer))
    assert run["inputs"] == {
        "messages": [
            {"role": "system", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    {"type": "image_url", "image_url": {"url": "https://x/i.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Lisbon"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"c":21}'},
        ]
    }
    (choice,) = run["outputs"]["choices"]
    assert choice["message"]["content"] == [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "21 C"},
    ]
    assert (run["outputs"]["id"], run["outputs"]["model"]) == ("r-1", "m-1-2026")


def test_usage_and_model_have_langchain_s_names() -> None:
    run = told(llm([said("user", {"type": "text", "content": "a"})], []))
    metadata = run["extra"]["metadata"]
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 3}}
    assert metadata["usage_metadata"] == usage
    assert metadata["ls_provider"] == "amazon_bedrock"
    assert (metadata["ls_model_name"], metadata["ls_model_type"], metadata["ls_temperature"]) == ("m-1", "chat", 0.5)
    assert run["extra"]["invocation_params"]["temperature"] == 0.5
    assert run["run_type"] == "llm"


def test_a_cost_is_told_where_the_application_told_it() -> None:
    record = llm([], [])
    record.facts.cost = Cost("computed", 5_000_000)
    assert "total_cost" not in told(record)["extra"]["metadata"]["usage_metadata"]
    record.facts.cost = Cost("reported", 5_000_000, 2_000_000, 3_000_000, None, 5_000_000)
    usage = told(record)["extra"]["metadata"]["usage_metadata"]
    assert (usage["total_cost"], usage["input_cost"], usage["output_cost"]) == (5e-6, 2e-6, 3e-6)


def test_a_repetition_is_not_added_up_again() -> None:
    record = llm([said("user", {"type": "text", "content": "a"})], [])
    record.facts.counted, record.facts.duplicate_of = False, "t:s"
    run = told(record)
    assert run["run_type"] == "chain"
    assert "usage_metadata" not in run["extra"]["metadata"]
    assert run["extra"]["metadata"]["tracekit.usage"]["input_tokens"] == 10


def test_documents_are_langchain_s() -> None:
    documents = [{"id": "d1", "content": "text", "score": 0.5, "metadata": {"source": "a.md"}}, {"content": "other"}]
    attributes = {"openinference.span.kind": "RETRIEVER", "input.value": "why?"}
    for number, one in enumerate(documents):
        for name, value in one.items():
            value = json.dumps(value) if name == "metadata" else value
            attributes[f"retrieval.documents.{number}.document.{name}"] = value  # type: ignore[assignment]
    run = told(record_of(attributes))
    assert (run["run_type"], run["inputs"]) == ("retriever", {"query": "why?"})
    assert run["outputs"]["documents"] == [
        {"page_content": "text", "type": "Document", "metadata": {"source": "a.md", "score": 0.5}, "id": "d1"},
        {"page_content": "other", "type": "Document", "metadata": {}},
    ]


def test_tools_and_other_steps() -> None:
    tool = told(
        record_of(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "add",
                "gen_ai.tool.call.id": "c1",
                "gen_ai.tool.call.arguments": '{"a": 1}',
                "gen_ai.tool.call.result": "2",
            }
        )
    )
    assert (tool["run_type"], tool["inputs"], tool["outputs"]) == ("tool", {"a": 1}, {"output": "2"})
    assert tool["extra"]["tool_call_id"] == "c1"
    step = told(record_of({"openinference.span.kind": "AGENT", "input.value": "hi", "output.value": '{"x": 1}'}))
    assert (step["run_type"], step["inputs"]) == ("chain", {"input": "hi"})
    assert step["extra"]["metadata"]["tracekit.kind"] == "agent"
    assert told(record_of({}))["inputs"] == {}


def test_owner_tags_and_other_attributes_are_metadata() -> None:
    attributes = {"session.id": "s1", "user.id": "ada", "http.status": 200, "flag": True, "long": "x" * 5_000}
    resource = {"service.name": "shop", "service.version": "2", "telemetry.sdk.name": "opentelemetry", "pid": 7}
    run = told(record_of(attributes, resource=resource), "elsewhere")
    metadata = run["extra"]["metadata"]
    assert (metadata["session_id"], metadata["user_id"]) == ("s1", "ada")
    assert (metadata["http.status"], metadata["flag"], len(metadata["long"])) == (200, True, 1_025)
    assert (metadata["service.version"], run["extra"]["runtime"]) == ("2", {"sdk": "opentelemetry"})
    assert "pid" not in metadata and run["session_name"] == "elsewhere"
    child = record_of({})
    child.ancestry = (record_of(attributes).facts,)
    assert told(child)["extra"]["metadata"]["session_id"] == "s1"


def test_errors_are_written_as_the_client_writes_them() -> None:
    record = record_of({})
    record.facts.status, record.facts.error = "error", ErrorInfo("ValueError", "no 'x'", "Traceback ...")
    assert told(record)["error"] == repr(ValueError("no 'x'")) + "\n\nTraceback ..."
    record.facts.error = ErrorInfo(None, "it broke")
    assert told(record)["error"] == "it broke"
    record.facts.error = None
    assert told(record)["error"] == "error"


def test_events_are_told_but_for_exceptions() -> None:
    record = record_of({}, events=[{"name": "cache miss", "time_unix_nano": START + 1_000}, {"name": "exception"}])
    record.facts.time_to_first_token_ns = 2_000_000
    assert told(record)["events"] == [
        {"name": "cache miss", "time": "2026-01-02T03:04:05.678902+00:00", "kwargs": {}},
        {"name": "new_token", "time": "2026-01-02T03:04:05.680901+00:00"},
    ]


def of_run(*changes: RunChange) -> dict[str, Any]:
    (record,) = records_of_changes(*changes)
    return told(record)


def test_a_run_of_langsmith_s_goes_out_as_it_came() -> None:
    run = of_run(
        started(
            1, inputs={"a": [1, {"b": None}]}, tags=["t"], extra={"metadata": {"x": 1}}, session_id=str(run_uuid(9))
        ),
        ended(1, outputs={"o": 1}, error="ValueError('x')", serialized={"lc": 1}, events=[{"name": "start"}]),
    )
    assert (run["id"], run["trace_id"], run["session_name"]) == (str(run_uuid(1)), str(run_uuid(1)), "p")
    assert (run["inputs"], run["outputs"]) == ({"a": [1, {"b": None}]}, {"o": 1})
    assert (run["extra"], run["serialized"], run["events"]) == ({"metadata": {"x": 1}}, {"lc": 1}, [{"name": "start"}])
    assert (run["error"], run["tags"]) == ("ValueError('x')", ["t"])
    assert not {"session_id", "attachments", "__ranks__"} & run.keys()


def test_of_a_run_that_says_nonsense_the_rest_goes_out() -> None:
    order = f"20260102T030001000000Z{run_uuid(7)}"
    run = of_run(
        started(1, dotted_order=order, run_type="chat", inputs="text", outputs=[1], tags="t", events={"a": 1}, extra=3),
        ended(1, attachments={}, reference_example_id="no", error={"code": 3}, name=""),
    )
    assert run["dotted_order"].endswith(str(run_uuid(1)))
    assert (run["run_type"], run["inputs"], run["outputs"]) == ("llm", {"input": "text"}, {"output": [1]})
    assert run["error"] == '{"code":3}'


def test_a_run_that_has_not_ended_says_so() -> None:
    assert "end_time" not in of_run(started(1))


def test_a_masked_document_is_sent_with_what_is_left() -> None:
    (record,) = records_of_changes(started(1, inputs={"a": 1}), ended(1))
    record.span.attributes["langsmith.run"] = "[masked]"
    run = document_of(record, Roots())
    assert (run["id"], run["run_type"], run["inputs"]) == (str(run_uuid(1)), "chain", {"a": 1})
