"""Evaluators of other libraries, the real ones; those that ask a model ask a server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import autoevals
import openai
import pytest
from langchain_openai import ChatOpenAI
from openevals.exact import exact_match
from openevals.llm import create_llm_as_judge
from openevals.string.levenshtein import levenshtein_distance
from phoenix_server import PYTHON, phoenix_installed

from tracekit.evals.adapters import from_autoevals, from_openevals
from tracekit.evals.api import Evaluator, NotApplicable, RetrievedDocument, Score, Subject
from tracekit.evals.registry import make

SUBJECT = Subject(input="spell it", output="kitten", expected="sitting", documents=[RetrievedDocument("cats")])


class Model(BaseHTTPRequestHandler):
    """Answers chat completions with what their schema asks for: the first of what may be chosen, else yes, 1, or "so it
    is"; it notes what it was asked."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if tools := body.get("tools"):
            function = tools[0]["function"]
            call = {"name": function["name"], "arguments": json.dumps(fitting(function["parameters"]))}
            message["tool_calls"] = [{"id": "call-1", "type": "function", "function": call}]
        else:
            message["content"] = json.dumps(fitting(body["response_format"]["json_schema"]["schema"]))
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "c-1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def fitting(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" or "properties" in schema:
        return {name: fitting(inner) for name, inner in schema["properties"].items()}
    return {"boolean": True, "number": 1, "integer": 1}.get(schema.get("type", ""), "so it is")


@pytest.fixture
def address() -> Iterator[str]:
    Model.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_judges_of_both_ask_their_model_and_say_that_they_do(address: str) -> None:
    subject = Subject(input="Capital of France?", output="Paris", expected="Paris", documents=SUBJECT.documents)
    client = openai.OpenAI(api_key="none", base_url=address)
    factual = from_autoevals(autoevals.Factuality(model="gpt-4o", client=client))
    rubric = "Is {outputs} right for {inputs} and {reference_outputs}, by {context}?"
    model = ChatOpenAI(model="gpt-4o", api_key="none", base_url=address)
    right = from_openevals(create_llm_as_judge(prompt=rubric, judge=model, feedback_key="right"), name="right")
    for evaluator in (factual, right):
        assert evaluator.annotator_kind == "llm"
    (one,), (two,) = factual(subject), right(subject)
    assert (one.name, one.label, one.score) == ("Factuality", "A", 0.4) and "so it is" in str(one.explanation)
    assert (two.name, two.score) == ("right", True) and "so it is" in str(two.explanation)
    assert len(Model.asked) == 2 and all("Paris" in json.dumps(body["messages"]) for body in Model.asked)
    assert all("cats" in json.dumps(body["messages"]) for body in Model.asked[1:])


def test_autoevals() -> None:
    like = from_autoevals(autoevals.Levenshtein())
    assert isinstance(like, Evaluator) and like.annotator_kind == "code" and like.version.startswith("autoevals-")
    (found,) = like(SUBJECT)
    assert (found.name, found.score) == ("Levenshtein", pytest.approx(1 - 3 / 7))
    (renamed,) = from_autoevals(autoevals.ExactMatch, name="same")(SUBJECT)
    assert (renamed.name, renamed.score) == ("same", 0)
    (numbers,) = from_autoevals(autoevals.NumericDiff())(Subject(output=90, expected=100))
    assert numbers.score == pytest.approx(1 - 10 / 190)


def test_a_scorer_that_fails_or_abstains_is_no_score() -> None:
    class Fails:
        def _name(self) -> str:
            return "Fails"

        def __call__(self, output: Any, expected: Any = None, **more: Any) -> autoevals.Score:
            error = RuntimeError("no") if output == "fail" else None
            return autoevals.Score(name="Fails", score=None, error=error)

    with pytest.raises(RuntimeError, match="Fails failed: no"):
        from_autoevals(Fails())(Subject(output="fail"))
    with pytest.raises(NotApplicable, match="Fails gave no score"):
        from_autoevals(Fails())(Subject(output="x"))


def test_openevals() -> None:
    assert from_openevals(exact_match)(SUBJECT) == [Score("exact_match", False)]
    (found,) = from_openevals(levenshtein_distance, name="near")(SUBJECT)
    assert found.name == "near" and 0 < found.score < 1  # type: ignore[operator]
    assert from_openevals(exact_match).annotator_kind == "code"
    with pytest.raises(NotApplicable, match="no expected output"):
        from_openevals(exact_match)(Subject(output="x"))


def test_a_judge_of_openevals_is_given_the_documents_too() -> None:
    def judge(*, inputs: Any, outputs: Any, context: Any = None, **more: Any) -> Any:
        return {"key": "grounded", "score": context == ["cats"], "comment": f"{inputs}: {outputs}"}

    adapted = from_openevals(judge)
    assert adapted.annotator_kind == "llm"
    assert adapted(SUBJECT) == [Score("grounded", True, explanation="spell it: kitten")]


def test_phoenix_evals(address: str) -> None:
    """In the environment that Phoenix is in, for its licence keeps it out of this one."""
    phoenix_installed()
    program = Path(__file__).with_name("phoenix_evals_program.py")
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"], "NO_PROXY": "*"}
    done = subprocess.run([PYTHON, program, address], check=False, capture_output=True, text=True, env=env, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all of it holds"
    assert len(Model.asked) == 1 and "cats" in json.dumps(Model.asked[0]["messages"])


@pytest.mark.parametrize("library", ["autoevals", "openevals"])
def test_by_name_there_are_those_that_ask_no_model(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"autoevals": "ExactMatch", "openevals": "exact_match"}
    made = make({"type": library, "evaluator": names[library], "name": "same"})
    (found,) = made(Subject(output="a", expected="a"))
    assert (found.name, found.score, made.annotator_kind) == ("same", 1, "code")
    assert made.version != make({"type": library, "evaluator": names[library]}).version
    with pytest.raises(ValueError, match="evaluator: must be one of"):
        make({"type": library, "evaluator": "Factuality"})

    modules = {"autoevals": "autoevals", "openevals": "openevals.exact"}
    monkeypatch.setitem(sys.modules, modules[library], None)  # as where it is not installed
    with pytest.raises(ValueError, match=f"{library} is not installed: it is behind the extra {library}"):
        make({"type": library, "evaluator": names[library]})
