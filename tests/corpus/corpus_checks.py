"""What one captured case must become: the checks of a case against traces in the shape of the read API.

``expect`` comes from the application and from the fake provider's log of calls, not from the spans. A value listed in
``not_in_spans`` occurs nowhere in what was sent; one in ``only_in_logs`` came with log records alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
)

Json = dict[str, Any]


def squeeze(text: Any) -> str:
    return " ".join(str(text).split())


def same_value(a: Any, b: Any) -> bool:
    """Equal, also where one side is the JSON text of the other or a number in a string."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return squeeze(value)
        return value

    return bool(plain(a) == plain(b)) or squeeze(a) == squeeze(b)


class Case:
    """``failures`` after ``run()``: a line for each check that does not hold."""

    def __init__(self, expect: Json, traces: list[Json]) -> None:
        self.e = expect
        self.traces = traces
        self.spans: list[Json] = [s for t in traces for s in t["spans"]]
        self.by_id = {s["span_id"]: s for s in self.spans}
        self.absent = set(expect["not_in_spans"]) | set(expect["only_in_logs"])
        self.failures: list[str] = []

    def check(self, what: str, ok: object, detail: str = "", pointer: str | None = None) -> None:
        if not ok and (pointer is None or pointer not in self.absent):
            self.failures.append(f"{what}: {detail}")

    def of_kind(self, kind: str) -> list[Json]:
        return [s for s in self.spans if s["kind"] == kind]

    def run(self) -> list[str]:
        e = self.e
        llm = [s for s in self.of_kind("llm") if s["counted"]]
        if e["llm_calls"]:
            self.check("calls", len(llm) == e["observable_llm_calls"], f"{len(llm)} of {e['observable_llm_calls']}")
        self.usage(llm)
        for i, call in enumerate(e["llm_calls"][: e["observable_llm_calls"]]):
            self.call(i, call, llm)
        for i, retrieval in enumerate(e["retrievals"]):
            self.retrieval(i, retrieval)
        # Tools that ran without a span of their own show in messages only.
        for i, run in enumerate(e["tool_runs"] if "tool" in e["kinds_seen_roughly"] else ()):
            self.tool(i, run)
        for i, error in enumerate(e["errors"]):
            self.error(i, error)
        self.owners()
        if e["llm_calls"]:
            self.whole("input", e["user_question"], "/user_question")
            self.whole("output", e["final_answer"], "/final_answer")
        for t in e["tree"]:
            self.tree(t)
        return self.failures

    def owners(self) -> None:
        for field in ("session_id", "user_id"):
            if self.e[field] is not None:
                seen = {str(t[field]) for t in self.traces}
                self.check(field, str(self.e[field]) in seen, f"{seen} for {self.e[field]!r}", f"/{field}")

    def whole(self, side: str, want: str | None, pointer: str) -> None:
        if not want:
            return
        texts = [squeeze(json.dumps(t[side], ensure_ascii=False)) + squeeze(t[side]) for t in self.traces]
        escaped = squeeze(json.dumps(want, ensure_ascii=False))[1:-1]
        self.check(f"trace {side}", any(squeeze(want) in t or escaped in t for t in texts), want[:80], pointer)

    def usage(self, llm: list[Json]) -> None:
        e = self.e
        if not e["llm_calls"] or not e["usage_totals"] or e["observable_llm_calls"] != e["llm_call_count"]:
            return
        for field in USAGE:
            if any(f"/llm_calls/{i}/usage/{field}" in self.absent for i in range(len(e["llm_calls"]))):
                continue
            have = sum((s["usage"] or {}).get(field) or 0 for s in llm)
            self.check("usage", have == e["usage_totals"][field], f"{field} {have}, not {e['usage_totals'][field]}")

    def call(self, i: int, call: Json, llm: list[Json]) -> None:
        at = f"/llm_calls/{i}"
        for field in ("request_model", "response_model"):
            if call[field] and not call["error"]:
                ok = any(s[field] == call[field] for s in llm)
                self.check("model", ok, f"no {field} {call[field]}", f"{at}/{field}")
        if call["provider"] and llm:
            seen = {s["provider"] for s in llm}
            self.check("provider", call["provider"] in seen, f"{seen} for {call['provider']}")
        messages = [m for s in llm for m in s["input_messages"]]
        for j, message in enumerate(call["messages"]):
            if message["role"] == "user" and message["text"]:
                want = squeeze(message["text"])
                ok = any(want in squeeze(m["text"] or "") for m in messages if m["role"] == "user")
                self.check("messages", ok, f"user message: {want[:70]}", f"{at}/messages/{j}/text")
        self.answer(at, call, [m for s in llm for m in s["output_messages"]])

    def answer(self, at: str, call: Json, answers: list[Json]) -> None:
        if call["output_text"]:
            want = squeeze(call["output_text"])
            self.check("answer", any(want in squeeze(m["text"] or "") for m in answers), want[:70], f"{at}/output_text")
        for j, tool in enumerate(call["output_tool_calls"] or []):
            name, arguments = tool.get("name"), tool.get("arguments")
            hidden = [p for p in self.absent if p.startswith(f"{at}/output_tool_calls/{j}")]
            ok = any(
                c["name"] == name and same_value(c["arguments"], arguments) for m in answers for c in m["tool_calls"]
            )
            self.check("tool calls", ok, f"{name}({arguments})", hidden[0] if hidden else None)

    def retrieval(self, i: int, retrieval: Json) -> None:
        documents = [d for s in self.of_kind("retriever") for d in s["documents"]]
        for j, document in enumerate(retrieval["documents"]):
            at = f"/retrievals/{i}/documents/{j}"
            text = squeeze(document["text"])
            found = [d for d in documents if text in squeeze(d["text"] or "")]
            self.check("documents", found, f"document: {text[:60]}", f"{at}/text")
            if document.get("id"):
                ok = any(str(d["id"]) == str(document["id"]) for d in found)
                self.check("documents", ok, f"id {document['id']}", f"{at}/id")
            score = document.get("score")
            if score is not None:
                ok = any(d["score"] is not None and abs(d["score"] - score) < 1e-6 for d in found)
                self.check("documents", ok, f"score {score}", f"{at}/score")

    def tool(self, i: int, run: Json) -> None:
        at = f"/tool_runs/{i}"
        named = [s["tool"] for s in self.of_kind("tool") if (s["tool"] or {}).get("name") == run["name"]]
        self.check("tools", named, f"no tool span named {run['name']}", f"{at}/name")
        for field in ("arguments", "result") if named else ():
            want = run.get(field)
            if want in (None, {}, ""):
                continue
            hidden = [p for p in self.absent if p.startswith(f"{at}/{field}")]
            ok = any(same_value(t[field], want) or squeeze(want) in squeeze(t[field]) for t in named)
            self.check("tools", ok, f"{run['name']}: {field} {str(want)[:60]}", hidden[0] if hidden else None)

    def error(self, i: int, error: Json) -> None:
        failed = [s for s in self.spans if s["status"] == "error"]
        self.check("errors", failed, "no span with status error")
        if failed and error.get("type"):
            want = error["type"].rsplit(".", 1)[-1]
            ok = any(str((s["error"] or {}).get("type") or "") == want for s in failed)
            self.check("errors", ok, f"no error of type {error['type']}", f"/errors/{i}/type")

    def ancestors(self, span: Json) -> Iterator[Json]:
        seen: set[str] = set()
        while (parent := self.by_id.get(span["parent_span_id"])) and parent["span_id"] not in seen:
            seen.add(parent["span_id"])
            span = parent
            yield span

    def tree(self, t: Json) -> None:
        if not t.get("seen_in_spans", True):
            return
        of = self.of_kind(t["kind"])
        if t.get("root"):
            ok = any(not list(self.ancestors(s)) for s in of)
        else:
            under = [any(t["under"] in ("any", a["kind"]) for a in self.ancestors(s)) for s in of]
            ok = bool(under) and (all(under) if t.get("all") else any(under))
        self.check("tree", ok, f"{t['kind']} {'as root' if t.get('root') else 'under ' + t['under']}")
