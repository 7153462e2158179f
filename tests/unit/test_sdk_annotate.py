"""``tracekit.annotate``: sent in the background, never raising, and counted where it is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import tracekit
from tracekit import annotating
from tracekit.annotating import Sender
from tracekit.config import resolve
from tracekit.transport import Answer, Outcome

TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Network:
    """Answers as ``answers`` say, one after another, then with success. ``gate`` keeps it from answering."""

    answers: list[Answer] = field(default_factory=list)
    bodies: list[list[dict[str, Any]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    poison: str | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, data: bytes) -> Answer:
        assert self.gate.wait(20)
        self.bodies.append(json.loads(data))
        if self.poison is not None and self.poison in data.decode():
            return Answer(Outcome.REFUSED, b'{"errors": [{"pointer": "/1/name", "detail": "too long"}]}')
        return self.answers.pop(0) if self.answers else Answer(Outcome.ACCEPTED)

    @property
    def names(self) -> list[str]:
        return [one["name"] for body in self.bodies for one in body]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    made = Network()
    sender = Sender(resolve(), made)
    monkeypatch.setattr(annotating, "_running", sender)
    monkeypatch.setattr(annotating, "_sender", lambda: sender)
    yield made
    made.gate.set()
    sender.close(5)


def test_what_is_said_is_sent_as_the_api_takes_it(network: Network) -> None:
    assert tracekit.annotate(
        "thumbs", score=True, trace_id=TRACE.upper(), span_id=0xB7AD6B7169203331, document_position=2,
        annotator_kind="code", identifier="page", explanation="Wrong order.", metadata={"page": 3},
    )  # fmt: skip
    assert tracekit.annotate("calm", label="yes", session_id="s-1")
    assert annotating.flush(10) == 0
    (one, two) = [one for body in network.bodies for one in body]
    assert one == {
        "name": "thumbs",
        "target": {"trace_id": TRACE, "span_id": "b7ad6b7169203331", "document_position": 2},
        "annotator_kind": "code",
        "score": True,
        "explanation": "Wrong order.",
        "identifier": "page",
        "metadata": {"page": 3},
    }
    assert two == {"name": "calm", "target": {"session_id": "s-1"}, "annotator_kind": "human", "label": "yes"}
    assert annotating.counts() == (2, 0, 0)


def test_the_trace_that_runs_is_annotated_without_naming_it(network: Network) -> None:
    assert tracekit.current_trace_id() is None
    with TracerProvider().get_tracer("t").start_as_current_span("work") as span:
        found = tracekit.current_trace_id()
        assert tracekit.annotate("good", score=0.5)
    annotating.flush(10)
    assert found == f"{span.get_span_context().trace_id:032x}"
    assert network.bodies[0][0]["target"] == {"trace_id": found}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"score": 1}, "there is no current trace"),
        ({"trace_id": TRACE}, "nothing is said"),
        ({"trace_id": "xyz", "score": 1}, "trace_id must be 32 hexadecimal digits"),
        ({"trace_id": TRACE, "score": float("nan")}, "is no number"),
        ({"trace_id": TRACE, "score": 1, "annotator_kind": "robot"}, "annotator_kind must be one of"),
        ({"trace_id": TRACE, "value": object()}, "must be JSON"),
        ({"trace_id": TRACE, "value": "x" * 300_000}, "bytes are too many"),
    ],
)
def test_what_cannot_be_sent_is_said_in_the_log_and_raises_nothing(
    network: Network, caplog: pytest.LogCaptureFixture, given: dict[str, Any], why: str
) -> None:
    with caplog.at_level("WARNING", logger="tracekit"):
        assert tracekit.annotate("thumbs", **given) is False
    assert why in caplog.text


def test_nothing_raises_whatever_it_is_given(network: Network) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert tracekit.annotate("thumbs", score=1, trace_id=Hostile()) is False  # type: ignore[arg-type]
    assert tracekit.annotate(Hostile(), score="x", trace_id=TRACE) is False  # type: ignore[arg-type]


def test_what_the_network_fails_over_is_tried_again(network: Network) -> None:
    network.answers = [Answer(Outcome.RETRY, retry_after=0.01), Answer(Outcome.RETRY, retry_after=0.01)]
    tracekit.annotate("thumbs", score=1, trace_id=TRACE)
    assert annotating.flush(10) == 0
    assert network.names == ["thumbs"] * 3
    assert annotating.counts() == (1, 0, 0)


def test_one_that_is_refused_leaves_the_others(network: Network) -> None:
    network.poison = "bad"
    network.gate.clear()
    for name in ("first", "second", "bad", "third"):
        tracekit.annotate(name, score=1, trace_id=TRACE)
    network.gate.set()
    assert annotating.flush(10) == 0
    assert annotating.counts() == (3, 0, 1)
    assert tracekit.stats().annotations_lost == 1


def test_it_never_blocks_and_counts_what_does_not_fit(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotating, "MOST_WAITING", 5)
    network.gate.clear()
    sent = [tracekit.annotate("thumbs", score=1, trace_id=TRACE) for _ in range(20)]
    assert 10 <= sent.count(False) <= 15  # as many as wait at most may be under way already
    assert annotating.counts()[2] == sent.count(False)
    network.gate.set()
    assert annotating.flush(10) == 0
    assert annotating.counts()[:2] == (sent.count(True), 0)


def test_what_somebody_wrote_is_masked_as_what_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    sender = Sender(resolve(mask_patterns=["email"]), network)
    sender.offer({"name": "a", "target": {"trace_id": TRACE}, "explanation": "ask ada@example.com", "score": 1})
    sender.flush(10)
    sender.close(1)
    assert "ada@example.com" not in json.dumps(network.bodies)
    assert network.bodies[0][0]["target"] == {"trace_id": TRACE}


def test_it_goes_to_the_collector_beside_the_traces() -> None:
    config = resolve(endpoint="https://traces.example/base", api_key="k")
    addressed = annotating._addressed(config)
    assert addressed.traces_url == "https://traces.example/base/api/v1/annotations"
    assert addressed.headers["content-type"] == "application/json"
    assert addressed.headers.items() >= config.headers.items()
