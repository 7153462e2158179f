"""``init`` in processes of its own: defaults, other providers, forks, exits, and what importing costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sdk_support import Collector, collector

import tracekit
from tracekit import trace
from tracekit.counts import FlushResult

__all__ = ["collector"]


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    tracekit.shutdown(0)


def run(program: str, collector: Collector | None = None, **environment: str) -> str:
    """Run a program in a fresh interpreter; gives what it prints, and its log."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACEKIT_"))}
    if collector is not None:
        kept["TRACEKIT_ENDPOINT"] = collector.url
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**kept, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def resource_of(collector: Collector) -> dict[str, Any]:
    [resource] = {request.resource_spans[0].resource.SerializeToString() for request in collector.requests}
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    return {item.key: item.value.string_value for item in Resource.FromString(resource).attributes}


def test_the_end_of_the_process_sends_what_is_left(collector: Collector) -> None:
    run(
        """
        import tracekit
        from tracekit import trace
        tracekit.init(project="bot")
        @trace
        def work(): pass
        for _ in range(3): work()
        """,
        collector,
    )
    assert collector.names() == ["work"] * 3
    resource = resource_of(collector)
    assert resource["openinference.project.name"] == resource["service.name"] == "bot"
    assert resource["telemetry.sdk.language"] == "python"


def test_opentelemetrys_variables(collector: Collector) -> None:
    run(
        """
        import tracekit
        tracekit.init()
        with tracekit.trace.span("s"): pass
        """,
        collector,
        OTEL_SERVICE_NAME="api",
        TRACEKIT_PROJECT="support",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=prod,service.version=3",
    )
    resource = resource_of(collector)
    assert (resource["service.name"], resource["openinference.project.name"]) == ("api", "support")
    assert (resource["deployment.environment"], resource["service.version"]) == ("prod", "3")


def test_a_collector_that_is_away_delays_the_exit_by_three_seconds_at_most() -> None:
    said = run(
        """
        import time, tracekit, atexit
        begin = time.monotonic()
        atexit.register(lambda: print(f"took {time.monotonic() - begin:.1f}", flush=True))
        tracekit.init(endpoint="http://127.0.0.1:9")
        with tracekit.trace.span("s"): pass
        """
    )
    seconds = float(said.split("took ")[1].split()[0])
    assert seconds < 5
    assert "1 spans were not delivered" in said and "Traceback" not in said


def test_decorators_are_plain_without_init(collector: Collector) -> None:
    said = run(
        """
        import sys, tracekit
        from tracekit import trace
        @trace.llm
        def work(x): return tracekit.current_span().is_recording()
        print(work(1), "opentelemetry.sdk" in sys.modules, tracekit.flush(), tracekit.stats().ended)
        """,
        collector,
    )
    assert said.split() == ["False", "False", *str(FlushResult(0, 0, 0)).split(), "0"]
    assert collector.requests == []


def test_switched_off(collector: Collector) -> None:
    for variable, value in (("TRACEKIT_ENABLED", "0"), ("OTEL_SDK_DISABLED", "true")):
        said = run(
            """
            import tracekit
            print(tracekit.init())
            with tracekit.trace.span("s") as span: print(span.is_recording())
            """,
            collector,
            **{variable: value},
        )
        assert said.split() == ["None", "False"]
    assert collector.requests == []


def test_a_fork_sends_its_own_spans_and_not_its_parents(collector: Collector) -> None:
    run(
        """
        import os, tracekit
        from tracekit import trace
        tracekit.init(interval=30)
        @trace
        def work(who): return who
        work("before")
        child = os.fork()
        work("child" if child == 0 else "parent")
        result = tracekit.flush(10)
        assert result.pending == 0 and result.acknowledged == (1 if child == 0 else 2), result
        if child == 0: os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        collector,
    )
    spans = collector.spans()
    inputs = [item.value.string_value for span in spans for item in span.attributes if item.key == "input.value"]
    assert sorted(inputs) == ["before", "child", "parent"]
    assert len({span.span_id for span in spans}) == 3 and len({span.trace_id for span in spans}) == 3


def test_processes_of_multiprocessing_send_what_is_left(collector: Collector) -> None:
    run(
        """
        import multiprocessing, tracekit
        from tracekit import trace
        @trace
        def work(n): return n
        if __name__ == "__main__":
            tracekit.init(interval=30)
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(work, range(4))
                pool.close()
                pool.join()
        """,
        collector,
    )
    assert collector.names() == ["work"] * 4


def test_seeded_random_numbers_do_not_repeat_ids(collector: Collector) -> None:
    for _ in range(2):
        run(
            """
            import random, tracekit
            tracekit.init()
            random.seed(42)
            with tracekit.trace.span("s"): pass
            """,
            collector,
        )
    assert len({span.trace_id for span in collector.spans()}) == 2


def test_other_instrumentations_share_the_trace(collector: Collector) -> None:
    run(
        """
        import tracekit
        from opentelemetry import trace as otel
        tracekit.init()
        other = otel.get_tracer("other.instrumentation")
        with tracekit.trace.span("ours"):
            with other.start_as_current_span("theirs"):
                with tracekit.trace.span("inner"): pass
        """,
        collector,
    )
    spans = {span.name: span for span in collector.spans()}
    assert spans["theirs"].parent_span_id == spans["ours"].span_id
    assert spans["inner"].parent_span_id == spans["theirs"].span_id
    assert len({span.trace_id for span in spans.values()}) == 1


def test_the_applications_own_provider_is_joined(collector: Collector) -> None:
    said = run(
        """
        import tracekit
        from opentelemetry import trace as otel
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
        otel.set_tracer_provider(provider)
        print(tracekit.init(project="ours") is provider, tracekit.init(project="ours") is provider)
        with tracekit.trace.span("s"): pass
        with provider.get_tracer("x").start_as_current_span("t"): pass
        """,
        collector,
    )
    assert said.split() == ["True", "True"]
    assert sorted(collector.names()) == ["s", "t"]
    resource = resource_of(collector)
    assert (resource["service.name"], resource["openinference.project.name"]) == ("theirs", "ours")


def test_a_provider_that_was_set_without_init_is_used() -> None:
    said = run(
        """
        import tracekit
        from opentelemetry import trace as otel
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
        @tracekit.trace
        def work(x): return x
        work("before")
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        otel.set_tracer_provider(provider)
        with tracekit.context(user_id="u"): work("after")
        """
    )
    exported = json.loads(said)
    assert exported["attributes"]["input.value"] == "after"
    assert exported["attributes"]["user.id"] == "u"


def test_the_console_exporter_reads_our_own_spans() -> None:
    said = run(
        """
        import tracekit
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
        tracekit.init(export=False, span_processors=[SimpleSpanProcessor(ConsoleSpanExporter())])
        try:
            with tracekit.trace.span("s") as span:
                span.set_attribute("n", [1, 2])
                raise ValueError("bad")
        except ValueError:
            pass
        """
    )
    exported = json.loads(said)
    assert exported["name"] == "s" and exported["attributes"]["n"] == [1, 2]
    assert exported["status"] == {"status_code": "ERROR", "description": "bad"}
    assert exported["events"][0]["attributes"]["exception.type"] == "ValueError"


def test_a_global_provider_that_cannot_be_joined(collector: Collector) -> None:
    said = run(
        """
        import tracekit
        from opentelemetry import trace as otel
        class Other(otel.TracerProvider):
            def get_tracer(self, *a, **k): return otel.NoOpTracer()
        otel.set_tracer_provider(Other())
        tracekit.init()
        with tracekit.trace.span("s"): pass
        """,
        collector,
    )
    assert "takes no span processors" in said
    assert collector.names() == ["s"]


def test_init_twice_replaces_settings_and_adds_nothing_twice(collector: Collector) -> None:
    other = Collector()
    try:
        run(
            f"""
            import tracekit
            from tracekit import trace
            first = tracekit.init(project="one")
            with trace.span("a"): pass
            tracekit.flush()
            assert tracekit.init(project="two", endpoint="{other.url}", capture="none") is first
            with trace.span("b") as span: span.set_output("text")
            """,
            collector,
        )
        assert (collector.names(), other.names()) == (["a"], ["b"])
        assert resource_of(other)["openinference.project.name"] == "two"
        assert [item.key for item in other.spans()[0].attributes] == ["openinference.span.kind"]
    finally:
        other.close()


def test_init_again_after_shutdown(collector: Collector) -> None:
    settings = {"endpoint": collector.url, "set_global": False, "interval": 0.01}
    tracekit.init(**settings)
    with trace.span("one"):
        pass
    before = tracekit.shutdown().acknowledged
    with trace.span("lost"):
        pass
    tracekit.init(**settings)
    with trace.span("two"):
        pass
    assert tracekit.flush().acknowledged == before + 1
    assert collector.names() == ["one", "two"]
    assert tracekit.stats().pending == 0


def test_a_given_provider_and_flush_through_it(collector: Collector) -> None:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    assert tracekit.init(endpoint=collector.url, tracer_provider=provider) is provider
    with trace.span("s"):
        pass
    assert provider.force_flush(10_000)
    assert collector.names() == ["s"] and len(memory.get_finished_spans()) == 1


def test_sampling_by_environment(collector: Collector) -> None:
    said = run(
        """
        import tracekit
        tracekit.init()
        with tracekit.trace.span("s") as span: print(span.is_recording(), len(set(span.trace_id)) > 1)
        """,
        collector,
        OTEL_TRACES_SAMPLER="always_off",
    )
    assert said.split() == ["False", "True"]
    assert collector.requests == []


def test_attribute_limits_by_environment(collector: Collector) -> None:
    run(
        """
        import tracekit
        tracekit.init()
        with tracekit.trace.span("s") as span:
            for n in range(50): span.set_attribute(f"k{n}", "x" * 100)
        """,
        collector,
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="10",
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="5",
    )
    [span] = collector.spans()
    assert len(span.attributes) == 10
    assert span.dropped_attributes_count == 41
    assert span.attributes[1].value.string_value == "xxxxx"


def test_init_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    tracekit.init(
        project=object(),  # type: ignore[arg-type]
        endpoint=5,  # type: ignore[arg-type]
        capture=object(),  # type: ignore[arg-type]
        headers=3,  # type: ignore[arg-type]
        timeout="x",  # type: ignore[arg-type]
    )
    tracekit.init(tracer_provider=object(), set_global=False)


def test_importing_is_light() -> None:
    said = run("import sys, tracekit; print(*sys.modules)").split()
    heavy = {
        "opentelemetry.sdk",
        "opentelemetry.exporter",
        "google.protobuf",
        "requests",
        "http.client",
        "genai_prices",
    }
    assert heavy.isdisjoint(said)
    assert {"collector", "dashboards", "pydantic"}.isdisjoint(said)
