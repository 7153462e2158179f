"""The LangSmith exporter against a stand-in that refuses, fails, hangs and restarts."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from langsmith_records import records_of_changes
from langsmith_runs import attached, ended, run_uuid, started
from langsmith_strict import KEY, Faults, Strict, serving

from collector.annotations import Annotation, Target
from collector.destinations import Destination
from collector.exporters.api import Away, Exporter, Failed, Parcel, Receipt, Record, Rejected, Said
from collector.exporters.langsmith import build

STRICT = Path(__file__).parents[1] / "langsmith_strict.py"


@pytest.fixture
def strict() -> Iterator[Strict]:
    with serving(Strict()) as found:
        yield found


def records(count: int, first: int = 0) -> list[Record]:
    """Traces of one run each."""
    numbers = range(first, first + count)
    return records_of_changes(
        *(started(number, inputs={"n": number}) for number in numbers),
        *(ended(number, outputs={"out": f"out-{number}."}) for number in numbers),
    )


def with_exporter(url: str, use: Callable[[Exporter], Awaitable[Any]], key: str = KEY, **options: Any) -> Any:
    async def using() -> Any:
        exporter = build(Destination("ls", "langsmith", url, options=options), {"api_key": key})
        try:
            return await use(exporter)
        finally:
            await exporter.close()

    return asyncio.run(using())


def send(url: str, what: Sequence[Record], key: str = KEY, via: tuple[str, ...] = (), **options: Any) -> Receipt:
    found: Receipt = with_exporter(url, lambda exporter: exporter.send(Parcel(what, "k", via)), key, **options)
    return found


def annotate(url: str, *said: Said, **options: Any) -> list[Said]:
    return list(with_exporter(url, lambda exporter: exporter.annotate(said), **options))


def paths(strict: Strict) -> list[tuple[str, str, int]]:
    return [one[:3] for one in strict.seen]


def test_what_goes_with_every_request(strict: Strict) -> None:
    send(strict.url, records(1), via=("a" * 16, "b" * 16), workspace_id="w-1")
    (_, _, _, about), (method, path, status, headers) = strict.seen
    assert (method, path, status) == ("POST", "/runs/multipart", 202)
    assert (headers["x-api-key"], headers["x-tenant-id"]) == (KEY, "w-1")
    assert headers["content-encoding"] == "zstd" and int(headers["x-pre-compressed-size"]) > 100
    assert headers["tracekit-via"] == "a" * 16 + "," + "b" * 16
    assert about["x-api-key"] == KEY


def test_a_key_that_does_not_fit_is_in_no_message(strict: Strict) -> None:
    with pytest.raises(Away, match="403") as caught:
        send(strict.url, records(1), key="a-secret-key")
    assert "a-secret-key" not in str(caught.value) and "[secret] is not a key" in str(caught.value)
    with pytest.raises(Away, match="403"):
        with_exporter(strict.url, lambda exporter: exporter.check(), key="a-secret-key")
    assert with_exporter(strict.url, lambda exporter: exporter.check()) == (
        "LangSmith 0.20.0 answers and takes the key (zstd)"
    )


@pytest.mark.parametrize(("way", "path"), [("multipart", "/runs/multipart"), ("batch", "/runs/batch")])
def test_the_way_that_the_server_says_it_takes(way: str, path: str) -> None:
    with serving(Strict(way=way)) as strict:
        assert send(strict.url, records(3)) == Receipt()
        assert paths(strict) == [("GET", "/info", 200), ("POST", path, 202)]
        assert strict.runs[str(run_uuid(1))]["outputs"] == {"out": "out-1."}
        assert "content-encoding" not in strict.seen[1][3]


def test_a_server_that_does_not_take_what_it_says_is_sent_what_it_does(strict: Strict) -> None:
    strict.faults = Faults(no_zstd=True)
    send(strict.url, records(1))
    assert [status for *_, status in paths(strict)] == [200, 415, 202]
    strict.faults = Faults(no_multipart=True)
    send(strict.url, records(1, 10))
    assert paths(strict)[-2:] == [("POST", "/runs/multipart", 404), ("POST", "/runs/batch", 202)]
    assert len(strict.runs) == 2


def test_requests_are_no_larger_than_the_server_says() -> None:
    with serving(Strict(limit=4_000, most=5)) as strict:
        changes = [change for number in range(12) for change in (started(number), ended(number))]
        changes += [attached(number, "note", b"x" * 1_500) for number in range(4)]
        send(strict.url, records_of_changes(*changes))
        assert strict.refused == [] and len(strict.runs) == 12
        assert {len(found) for found in strict.attachments.values()} == {1} and len(strict.attachments) == 4
        assert len(strict.bodies) >= 4
        with pytest.raises(Rejected, match="413"):
            send(strict.url, records_of_changes(started(50), ended(50), attached(50, "note", b"x" * 5_000)))


def test_what_is_there_already_is_a_success_and_hides_nothing_that_is_new(strict: Strict) -> None:
    assert send(strict.url, records(4)) == Receipt()
    assert send(strict.url, records(7)) == Receipt()
    assert len(strict.runs) == 7
    assert send(strict.url, records(7)) == Receipt()


def test_a_run_that_was_there_without_its_end_gets_it(strict: Strict) -> None:
    send(strict.url, records_of_changes(started(1)))
    assert "end_time" not in strict.runs[str(run_uuid(1))]
    send(strict.url, records_of_changes(started(1), ended(1, outputs={"a": 1})))
    assert strict.runs[str(run_uuid(1))]["outputs"] == {"a": 1}


def test_overload_is_no_span_s_fault(strict: Strict) -> None:
    strict.faults = Faults(refuse=1)
    with pytest.raises(Away, match="429"):
        send(strict.url, records(1))
    strict.faults = Faults(refuse=1, status=503)
    with pytest.raises(Away, match="503"):
        send(strict.url, records(1))
    strict.faults = Faults(share=1.0)
    with pytest.raises(Failed, match="500"):
        send(strict.url, records(1))
    strict.faults = Faults(hang_s=5.0)
    with pytest.raises(Away, match=r"no answer within 0\.3 s"):
        send(strict.url, records(1), timeout_s=0.3)
    strict.faults = Faults()
    send(strict.url, records(1))
    with pytest.raises(Away, match="cannot be reached"):
        send("http://127.0.0.1:9", records(1))


def test_the_way_is_asked_for_again_after_a_failure(strict: Strict) -> None:
    async def use(exporter: Exporter) -> None:
        await exporter.send(Parcel(records(1), "k"))
        strict.faults = Faults(refuse=1)
        with pytest.raises(Away):
            await exporter.send(Parcel(records(1, 1), "k"))
        strict.way = "batch"
        await exporter.send(Parcel(records(1, 1), "k"))

    with_exporter(strict.url, use)
    assert [path for _, path, _ in paths(strict)] == [
        "/info", "/runs/multipart", "/runs/multipart", "/info", "/runs/batch",
    ]  # fmt: skip


def test_spans_that_it_fails_over_are_told_from_others(strict: Strict) -> None:
    strict.faults = Faults(poison="out-2.")
    with pytest.raises(Failed):
        send(strict.url, records(3))
    send(strict.url, [one for one in records(4) if one.facts.name != "run 2"])
    assert len(strict.runs) == 3


def said(score: float, span: Record | None = None, **fields: Any) -> Said:
    one = span or records(1)[0]
    given = {"target": Target(one.facts.trace_id, one.facts.span_id), "created_ns": 10**18, "updated_ns": 10**18}
    return Said(Annotation("good", score=score, **given | fields), "p", one.facts, run_uuid(0).bytes)


def test_annotations_go_along_and_can_be_changed(strict: Strict) -> None:
    send(strict.url, records(1))
    assert annotate(strict.url, said(0.123456)) == []
    (feedback,) = strict.feedback.values()
    assert (feedback["run_id"], feedback["score"]) == (str(run_uuid(0)), 0.1235)
    assert feedback["session_id"] in strict.projects()
    assert annotate(strict.url, said(0.5, updated_ns=10**18 + 1)) == []
    assert [one["score"] for one in strict.feedback.values()] == [0.5]
    assert annotate(strict.url, said(0.5)) == []  # 409
    assert strict.refused == []


def test_an_older_server_gets_annotations_by_themselves_once_it_has_the_run() -> None:
    with serving(Strict(version="0.7.3")) as strict:
        early = said(1.0)
        assert annotate(strict.url, early) == [early]
        send(strict.url, records(1))
        assert annotate(strict.url, early) == []
        assert annotate(strict.url, said(0.5)) == []
        assert [one["score"] for one in strict.feedback.values()] == [0.5]


def test_what_is_said_of_a_session_has_no_place(strict: Strict) -> None:
    send(strict.url, records(1))
    with pytest.raises(Rejected, match="no place"):
        annotate(strict.url, said(1.0), said(0.5, target=Target(session_id="chat-7")))
    assert len(strict.feedback) == 1


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    for number in range(2):
        process = subprocess.Popen([sys.executable, STRICT, "--state", state], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], 30)
            url = process.stdout.readline().decode().strip() if readable else ""
            send(url, records(2, number))
            with urlopen(f"{url}/_strict", timeout=10) as answer:
                assert len(json.load(answer)["runs"]) == 2 + number
            faults = Request(f"{url}/_strict/faults", json.dumps({"refuse": 9}).encode(), method="PUT")
            with urlopen(faults, timeout=10):
                pass
            with pytest.raises(Away):
                send(url, records(1, 9))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
