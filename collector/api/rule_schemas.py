"""JSON Schemas and paths of rules for the OpenAPI document: field for field as they are read and rendered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, get_args

from collector.api.operations import operation, path, query
from collector.api.schemas import (
    COUNT,
    FLAG,
    FREE,
    NUMBER,
    SPAN_ID,
    TEXT,
    TIME,
    TRACE_ID,
    USD,
    Schema,
    array,
    described,
    items,
    optional,
    record,
    ref,
)
from collector.evaluation.rules import DECISION_STATES, TARGETS, RuleState, Source
from collector.filters.parse import MAX_CHARS
from collector.storage.evaluation_api import BackfillState

#: Decisions that are listed at most, and that one request queues again.
MAX_DECISIONS: Final = 500
RETRIED: Final = 10_000

_NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"}
_STATE: Final[Schema] = {"type": "string", "enum": list(get_args(RuleState))}
_DECISION_STATE: Final[Schema] = {"type": "string", "enum": list(DECISION_STATES)}
_ID: Final[Schema] = {"type": "integer", "minimum": 1}
_WHEN: Final = "RFC 3339, a date, or how long ago: `24h`"

#: Steps of scores over time, in nanoseconds.
STEPS: Final = {"hour": 3_600 * 10**9, "day": 86_400 * 10**9}

_FILTER: Final = "An expression over spans where these are the target, else over traces. All where null."

_SETTINGS: Final[dict[str, Schema]] = {
    "name": _NAME,
    "evaluator": described(FREE, "`type` names it; the rest are its settings."),
    "target": {"type": "string", "enum": list(TARGETS)},
    "filter": described(optional(TEXT), _FILTER),
    "sample_rate": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "This part of the traces (sessions); those of a smaller part are among those of a larger one.",
    },
    "judge": described(
        optional(FREE),
        "`provider`, `base_url`, `model`, `api_key` and limits; the key is named as `env:TRACEKIT_SECRET_NAME`, a "
        "variable of the collector's: never the key itself.",
    ),
    "budget": ref("JudgeBudget"),
    "projects": described(array(TEXT), "These alone; all where it is empty."),
    "state": described(_STATE, "What is stored while it is paused is not looked at; a back-fill does it later."),
}
_OURS: Final[dict[str, Schema]] = {
    "source": {
        "type": "string",
        "enum": list(get_args(Source)),
        "description": "`config`: from the configuration file, and changed only there.",
    },
    "version": described(_ID, "Grows with every change that could change a score."),
    "created_at": TIME,
    "changed_at": TIME,
}
_GIVEN: Final[dict[str, Schema]] = {
    **_SETTINGS,
    "filter": {**optional(TEXT), "maxLength": MAX_CHARS, "description": _FILTER},
    "target": {"type": ["string", "null"], "enum": [*TARGETS, None], "description": "`trace` where it is not said."},
    "sample_rate": described(optional(_SETTINGS["sample_rate"]), "1 is all."),
    "budget": {"anyOf": [ref("NewJudgeBudget"), {"type": "null"}]},
    "projects": described(optional(array(TEXT)), "These alone; all where it is empty."),
}
_BUDGET: Final[dict[str, Schema]] = {"usd": optional(NUMBER), "calls": optional(COUNT)}

SCHEMAS: Final[dict[str, Schema]] = {
    "Rules": items("RuleStatus", "Every rule, by name, and what was decided by its current version."),
    "Rule": record(_SETTINGS | _OURS, "What is evaluated, and by what."),
    "RuleStatus": record(
        {
            **_SETTINGS,
            **_OURS,
            "decisions": record(dict.fromkeys(DECISION_STATES, COUNT), "How many targets are in which state."),
            "judge_calls": COUNT,
            "judge_cost": USD,
        },
        "A rule, and what was decided by its current version.",
    ),
    "RuleVersions": items("Rule", "Every version there was, the latest first."),
    "NewRule": record(
        _GIVEN, "A rule to be added.", absent=tuple(name for name in _GIVEN if name not in ("name", "evaluator"))
    ),
    "RuleChange": record(
        _GIVEN, "Fields that are changed; null is as if it had never been given.", absent=tuple(_GIVEN)
    ),
    "JudgeBudget": record(_BUDGET, "What the judge may do in one day (UTC); null is no limit."),
    "NewJudgeBudget": record(_BUDGET, "What the judge may do in one day (UTC).", absent=tuple(_BUDGET)),
    "Decision": record(
        {
            "version": _ID,
            "trace_id": optional(TRACE_ID),
            "span_id": optional(SPAN_ID),
            "session_id": optional(TEXT),
            "state": _DECISION_STATE,
            "words": TEXT,
            "reason": optional(TEXT),
            "attempts": COUNT,
            "judge_calls": COUNT,
            "judge_cost": USD,
            "created_at": TIME,
            "updated_at": TIME,
        },
        "What became of one target under one version of a rule.",
    ),
    "Decisions": items("Decision", "The latest first."),
    "Explanation": record(
        {
            "trace_id": TRACE_ID,
            "project": described(optional(TEXT), "Null where no span of the trace is stored."),
            "session_id": optional(TEXT),
            "rules": array(ref("ExplainedRule")),
        },
        "Why each rule did or did not score the trace, its spans or its session.",
    ),
    "ExplainedRule": record(
        {
            "name": TEXT,
            "version": _ID,
            "is_current": FLAG,
            "target": {"type": "string", "enum": list(TARGETS)},
            "state": _STATE,
            "words": described(TEXT, "The answer, in words."),
            "decisions": array(ref("Decision")),
        },
        "One version of a rule.",
    ),
    "RuleTrial": record(
        {"trace_id": TRACE_ID, "span_id": optional(SPAN_ID)},
        "What the rule is tried on; a span where spans are its target.",
        absent=("span_id",),
    ),
    "RuleTried": record(
        {
            "matches": described(FLAG, "Whether the rule would score it: its projects, sample and filter."),
            "why_not": optional(TEXT),
            "state": _DECISION_STATE,
            "reason": optional(TEXT),
            "scores": array(ref("TriedScore")),
        },
        "What the evaluator says. Nothing of it is stored.",
    ),
    "TriedScore": record(
        {
            "name": TEXT,
            "score": {"type": ["number", "boolean", "null"]},
            "label": optional(TEXT),
            "explanation": optional(TEXT),
            "annotator_kind": {"type": "string", "enum": ["human", "code", "llm"]},
            "span_id": optional(SPAN_ID),
            "document_position": optional(COUNT),
            "metadata": FREE,
        },
        "One statement.",
    ),
    "RuleWindow": record(
        {
            "from": described(TEXT, f"Traces that started then or later: {_WHEN}."),
            "to": described(optional(TEXT), "And before then; now where it is not said."),
        },
        "A stretch of time.",
        absent=("to",),
    ),
    "Estimate": record(
        {
            "traces": described(COUNT, "In the window."),
            "looked_at": described(COUNT, "Where fewer than `traces`, the rest is scaled."),
            "targets": described(COUNT, "Expected to be scored."),
            "judge_calls": COUNT,
            "cost_usd": described(optional(NUMBER), "Null where nothing tells the price."),
            "basis": described(TEXT, "What it was told by."),
        },
        "What a back-fill would come to.",
    ),
    "Backfill": record(
        {
            "id": _ID,
            "state": {"type": "string", "enum": list(get_args(BackfillState))},
            "from": TIME,
            "to": TIME,
            "expected": described(COUNT, "Traces when it began."),
            "seen": described(COUNT, "Traces that were queued."),
            "created_at": TIME,
        },
        "Going over what was stored before.",
    ),
    "Backfills": items("Backfill", "The latest first."),
    "BackfillChange": record(
        {"state": {"type": "string", "enum": ["active", "paused"]}}, "Pausing or resuming a back-fill."
    ),
    "RuleRetry": record(
        {
            "states": described(
                optional(array(_DECISION_STATE)), "Targets in these states; `failed` and `over_budget` if not said."
            )
        },
        "What is to be scored again.",
        absent=("states",),
    ),
    "RuleRetried": record({"targets": COUNT}, f"How many targets wait again, {RETRIED} at most at once."),
    "ScoreSteps": items("ScoreStep", "By name, then time; steps without a score are left out."),
    "ScoreStep": record(
        {
            "name": described(TEXT, "The score's."),
            "start_time": TIME,
            "count": COUNT,
            "mean": described(optional(NUMBER), "Of those with a number."),
            "labels": {"type": "object", "additionalProperties": COUNT, "description": "How often each was given."},
        },
        "A rule's scores of traces that began within one step.",
    ),
    "AnnotationHistory": items("PastAnnotation", "The latest first."),
    "PastAnnotation": record(
        {"annotation": ref("Annotation"), "replaced_at": TIME}, "What an annotation said until then."
    ),
}

_operation = partial(operation, schemas=SCHEMAS)
_ONE: Final = path("name", _NAME, "The rule's name.")
_READ: Final = (400, 404, 503)
_BODY: Final = (400, 404, 413, 415, 429, 503)
_RULES: Final = "/api/v1/rules"
_LIMIT: Final = query(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_DECISIONS, "default": 50}, "Decisions at most."
)

PATHS: Final[dict[str, Any]] = {
    _RULES: {
        "get": _operation("listRules", "Rules", "List rules", "By name, with what was decided.", [], (400, 503)),
        "post": _operation(
            "addRule",
            "Rule",
            "Add a rule",
            "Traces that are stored from then on are looked at; a back-fill looks at those before.",
            [],
            (400, 409, 413, 415, 429, 503),
            ("NewRule",),
            status=201,
        ),
    },
    f"{_RULES}/{{name}}": {
        "get": _operation("getRule", "RuleStatus", "Read a rule", "With what was decided.", [_ONE], _READ),
        "patch": _operation(
            "changeRule",
            "Rule",
            "Change a rule",
            "What could change a score makes a new version; scores of the old ones stay. Of a rule from the "
            "configuration file `state` alone can be changed, until the next start.",
            [_ONE],
            (400, 404, 409, 413, 415, 429, 503),
            ("RuleChange",),
        ),
        "delete": _operation(
            "removeRule", None, "Remove a rule", "With its decisions; its scores stay.", [_ONE], (400, 404, 409, 503)
        ),
    },
    f"{_RULES}/{{name}}/versions": {
        "get": _operation("listRuleVersions", "RuleVersions", "List versions", "All of them.", [_ONE], _READ)
    },
    f"{_RULES}/{{name}}/decisions": {
        "get": _operation(
            "listDecisions",
            "Decisions",
            "List decisions",
            "What became of targets, in one state or all.",
            [_ONE, query("state", _DECISION_STATE, "Only in this state."), _LIMIT],
            _READ,
        )
    },
    f"{_RULES}/{{name}}/scores": {
        "get": _operation(
            "listScoreSteps",
            "ScoreSteps",
            "Read scores over time",
            "Counted by when the traces began. At most 10,000 combinations of name, step and label, the most frequent.",
            [
                _ONE,
                query("from", TEXT, f"Traces that started then or later: {_WHEN}. `7d` if not said."),
                query("to", TEXT, "And before then; now if not said."),
                query("step", {"type": "string", "enum": list(STEPS), "default": "hour"}, "Steps begin in UTC."),
                query("version", _ID, "Of the rule; the current one if not said."),
            ],
            _READ,
        )
    },
    f"{_RULES}/{{name}}/test": {
        "post": _operation(
            "testRule",
            "RuleTried",
            "Try a rule",
            "On what is stored. Nothing is stored of it; a judge is asked, and that counts in the rule's budget.",
            [_ONE],
            _BODY,
            ("RuleTrial",),
        )
    },
    f"{_RULES}/{{name}}/estimate": {
        "post": _operation(
            "estimateBackfill", "Estimate", "Estimate a back-fill", "Before it.", [_ONE], _BODY, ("RuleWindow",)
        )
    },
    f"{_RULES}/{{name}}/backfills": {
        "get": _operation("listBackfills", "Backfills", "List back-fills", "Of this rule.", [_ONE], _READ),
        "post": _operation(
            "addBackfill",
            "Backfill",
            "Begin a back-fill",
            "Goes over the window in portions, beside what arrives.",
            [_ONE],
            _BODY,
            ("RuleWindow",),
            status=201,
        ),
    },
    f"{_RULES}/{{name}}/backfills/{{id}}": {
        "patch": _operation(
            "changeBackfill",
            "Backfill",
            "Pause or resume a back-fill",
            "What is queued already is scored.",
            [_ONE, path("id", _ID, "The back-fill's id.")],
            _BODY,
            ("BackfillChange",),
        )
    },
    f"{_RULES}/{{name}}/retry": {
        "post": _operation(
            "retryRule", "RuleRetried", "Score again", "What failed, or was over the budget.", [_ONE], _BODY,
            ("RuleRetry",),
        )
    },
    "/api/v1/traces/{trace_id}/evaluations": {
        "get": _operation(
            "explainTrace",
            "Explanation",
            "Explain what was evaluated",
            "Rule by rule, why the trace, its spans or its session were scored or not.",
            [path("trace_id", TRACE_ID)],
            (400, 503),
        )
    },
    "/api/v1/annotations/{annotation_id}/history": {
        "get": _operation(
            "getAnnotationHistory",
            "AnnotationHistory",
            "Read what an annotation said before",
            "Of replaced, changed and deleted ones.",
            [path("annotation_id", {"type": "string", "format": "uuid"}, "A UUID.")],
            (400, 503),
        )
    },
}  # fmt: skip
