"""A judge whose calls are traced, in an application: in a project of their own, so that what judgements cost is not
mixed with what the application costs. The collector's worker records its judges' calls itself, without this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.context import Context, attach, detach

from tracekit.context import context
from tracekit.decorator import trace
from tracekit.evals.api import Judge, JudgeAnswer

JUDGES_PROJECT: Final = "tracekit-judges"


class TracedJudge:
    """Each call is a trace with one span, kind llm, named "judge MODEL", where ``tracekit.init`` has been called (or
    OpenTelemetry has a provider). Its metadata name the trace in which the judge was asked."""

    def __init__(self, judge: Judge, project: str = JUDGES_PROJECT) -> None:
        self._judge = judge
        self._project = project

    @property
    def model(self) -> str:
        return self._judge.model

    @property
    def provider(self) -> str | None:
        return getattr(self._judge, "provider", None)

    def complete(
        self, messages: Sequence[Mapping[str, str]], *, schema: Mapping[str, Any] | None = None
    ) -> JudgeAnswer:
        asking = trace_api.get_current_span().get_span_context()
        metadata = {"asked_in_trace": format(asking.trace_id, "032x")} if asking.is_valid else None
        token = attach(Context())  # a trace of its own: one trace in two projects would be seen whole in neither
        try:
            with (
                context(project=self._project, metadata=metadata),
                trace.span(f"judge {self.model}", kind="llm") as span,
            ):
                span.set_model(self.model, self.provider)
                span.set_input([dict(message) for message in messages])
                answer = self._judge.complete(messages, schema=schema)
                span.set_model(self.model, self.provider, answer.model)
                span.set_output([{"role": "assistant", "content": answer.text}])
                counts = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
                span.set_usage(**{name: count for name, count in counts.items() if count is not None})
                return answer
        finally:
            detach(token)


def traced(judge: Judge, project: str = JUDGES_PROJECT) -> TracedJudge:
    return judge if isinstance(judge, TracedJudge) else TracedJudge(judge, project)
