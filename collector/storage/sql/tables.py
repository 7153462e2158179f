"""The tables, for SQLite and PostgreSQL. Alembic's migrations create them; this is what the code queries through.

``spans`` holds facts in columns, ``originals`` what was sent. ``traces`` and ``calls`` are derived by the summariser
and can be rebuilt from the two at any time. Ids of projects are small integers because every span carries one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

#: What is counted of each destination (``collector.storage.forward_api.Tally``).
TALLY = ("sent", "skipped", "rejected", "retried", "annotated")

#: Autoincrementing 64-bit key on both engines (SQLite needs INTEGER to make it the rowid).
BigId = BigInteger().with_variant(Integer, "sqlite")

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_ns", BigInteger, nullable=False),
)

# One row per ingest transaction.
batches = Table(
    "batches",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("span_count", Integer, nullable=False),
)

# One row per trace and request: zstd-compressed OTLP TracesData, byte for byte what the sender said of these spans.
originals = Table(
    "originals",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("batch_id", BigInteger, nullable=False),
    Column("trace_id", LargeBinary(16), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("via", Text),  # ids of the collectors that sent it on, where one did
    Index("ix_originals_batch", "batch_id"),
)

spans = Table(
    "spans",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("trace_id", LargeBinary(16), nullable=False),
    Column("span_id", LargeBinary(8), nullable=False),
    Column("parent_span_id", LargeBinary(8)),
    Column("project_id", Integer, nullable=False),
    Column("original_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),  # 0 unset, 1 ok, 2 error: OTLP's own codes
    Column("service", Text),
    Column("scope", Text),
    Column("request_model", Text),
    Column("response_model", Text),
    Column("provider", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    # the rarer parts of usage as JSON: cache_read_tokens, cache_write_tokens, reasoning_tokens, audio_*, estimated
    Column("usage_details", Text),
    Column("cost_status", SmallInteger),  # NULL no call, 0 unpriced, 1 computed, 2 reported
    Column("cost_total", BigInteger),
    Column("cost_input", BigInteger),
    Column("cost_output", BigInteger),
    Column("cost_reported", BigInteger),
    Column("price_id", Text),
    Column("ttft_ns", BigInteger),
    Column("response_id", Text),
    Column("session_id", Text),
    Column("user_id", Text),
    # JSON of what few spans have: tags, metadata, finish_reasons
    Column("extra", Text),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("counted", Boolean, nullable=False),
    Column("duplicate_of", Text),
    UniqueConstraint("trace_id", "span_id", name="uq_spans_ids"),
)

# Everything that the head of a list and its sort orders need, so that 100,000 traces are counted from the index alone.
_LISTED = ("start_ns", "trace_id", "duration_ns", "status", "total_tokens", "cost_total", "unpriced_calls")


def _only_known(column: str) -> dict[str, Any]:
    """An index over the rows that have a value."""
    return {f"{dialect}_where": text(f"{column} IS NOT NULL") for dialect in ("sqlite", "postgresql")}


traces = Table(
    "traces",
    metadata,
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("span_count", Integer, nullable=False),
    Column("error_count", Integer, nullable=False),
    Column("root_span_id", LargeBinary(8)),
    Column("session_id", Text),
    Column("user_id", Text),
    Column("tags", Text),
    Column("metadata", Text),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("usage", Text),  # JSON of model.Usage, None left out
    Column("total_tokens", BigInteger),
    Column("cost_status", SmallInteger),
    Column("cost_total", BigInteger),
    Column("cost_input", BigInteger),
    Column("cost_output", BigInteger),
    Column("cost_reported", BigInteger),
    Column("llm_calls", Integer, nullable=False),
    Column("unpriced_calls", Integer, nullable=False),
    Column("ttft_ns", BigInteger),
    # last, because they are long: what lists add up and sort by is read without them
    Column("input", Text),  # JSON, cut to a preview
    Column("output", Text),
    Index("ix_traces_start", *_LISTED),
    Index("ix_traces_project_start", "project_id", *_LISTED),
    Index("ix_traces_session", "session_id", "start_ns", **_only_known("session_id")),
    Index("ix_traces_user", "user_id", "start_ns", **_only_known("user_id")),
)

# One row per counted call, replaced with its trace's summary.
calls = Table(
    "calls",
    metadata,
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("span_id", LargeBinary(8), primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("model", Text),
    Column("provider", Text),
    Column("session_id", Text),
    Column("user_id", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("audio_input_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("audio_output_tokens", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("cost_status", SmallInteger, nullable=False),
    Column("cost_total", BigInteger),
    Column("cost_input", BigInteger),
    Column("cost_output", BigInteger),
    Column("cost_reported", BigInteger),
    Column("ttft_ns", BigInteger),
    Index("ix_calls_project_start", "project_id", "start_ns"),
    Index("ix_calls_start", "start_ns"),
    sqlite_with_rowid=False,
)

queue_items = Table(
    "queue_items",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),  # ready, claimed, buried
    Column("attempts", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("lease_ns", BigInteger),  # when the claim runs out
    Column("worker", Text),
    Column("token", Text),
    Column("error", Text),
    Column("payload", Text),  # JSON
    Index("ix_queue_due", "consumer", "state", "due_ns", "id"),
)

# What people, programs and models say about a trace, a span, a document of a span or a session. No foreign keys: an
# annotation may come before what it is about.
annotation_table = Table(
    "annotations",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("key", LargeBinary(16), nullable=False),  # digest of target, name and identifier
    Column("trace_id", LargeBinary(16)),
    Column("span_id", LargeBinary(8)),
    Column("session_id", Text),
    Column("document_position", Integer),
    Column("name", Text, nullable=False),
    Column("annotator_kind", String(8), nullable=False),
    Column("identifier", Text, nullable=False),
    Column("data_type", String(12)),  # numeric, boolean, categorical, text; NULL: nothing was said
    Column("score", Double),
    Column("label", Text),
    Column("value", Text),  # JSON
    Column("correction", Text),  # JSON
    Column("explanation", Text),
    Column("metadata", Text),  # JSON
    Column("source", Text),  # JSON: what the sender's protocol says beyond our fields
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    UniqueConstraint("key", name="uq_annotations_key"),
    Index("ix_annotations_created", "created_ns", "id"),
    Index("ix_annotations_trace", "trace_id", **_only_known("trace_id")),
    Index("ix_annotations_span", "span_id", **_only_known("span_id")),
    Index("ix_annotations_session", "session_id", **_only_known("session_id")),
    Index("ix_annotations_name", "name", "created_ns", "id"),
    Index("ix_annotations_identifier", "identifier", "created_ns"),
)

# What LangSmith's protocol knows of a project beyond its name, once somebody has said it.
project_details = Table(
    "project_details",
    metadata,
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    Column("uuid", LargeBinary(16), nullable=False),
    Column("description", Text),
    Column("extra", Text),  # JSON
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger),
    UniqueConstraint("uuid", name="uq_project_details_uuid"),
)

# LangSmith's runs: what its protocol asks for runs by. The document is in the original of the span of these ids.
runs = Table(
    "runs",
    metadata,
    Column("run_id", LargeBinary(16), primary_key=True),
    Column("trace_id", LargeBinary(16), nullable=False),
    Column("span_id", LargeBinary(8), nullable=False),
    Column("parent_run_id", LargeBinary(16)),
    Column("project_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("run_type", Text, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger),
    Column("status", SmallInteger, nullable=False),  # 0 pending, 1 success, 2 error
    Column("reference_example_id", LargeBinary(16)),
    Column("version", Integer, nullable=False),  # how often it was merged: who merges says which version into
    Index("ix_runs_trace", "trace_id", "start_ns", "run_id"),
    Index("ix_runs_project_start", "project_id", "start_ns", "run_id"),
    Index("ix_runs_parent", "parent_run_id", **_only_known("parent_run_id")),
    Index("ix_runs_example", "reference_example_id", **_only_known("reference_example_id")),
    sqlite_with_rowid=False,
)

run_attachments = Table(
    "run_attachments",
    metadata,
    Column("run_id", LargeBinary(16), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("mime_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# Where spans are sent on to. Ids are never used again: queue items name them.
destination_table = Table(
    "destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("settings", Text, nullable=False),  # JSON of what collector.destinations.Destination has beside these
    Column("state", String(8), nullable=False),
    Column("source", String(8), nullable=False),
    Column("peer", Text),
    Column("created_ns", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in TALLY),
    Column("last_sent_ns", BigInteger),
    Column("last_error", Text),
    Column("last_error_ns", BigInteger),
    UniqueConstraint("name", name="uq_destinations_name"),
    sqlite_autoincrement=True,
)

# What is evaluated by what. Ids are never used again: decisions and queue items name them.
rule_table = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("settings", Text, nullable=False),  # JSON of what collector.evaluation.rules.Rule has beside these
    Column("state", String(8), nullable=False),
    Column("source", String(8), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    UniqueConstraint("name", name="uq_rules_name"),
    sqlite_autoincrement=True,
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("rule_id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    Column("changed_ns", BigInteger, nullable=False),
)

# One row for each version of a rule and each target that it looked at.
decisions = Table(
    "decisions",
    metadata,
    Column("rule_id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, primary_key=True),
    Column("trace_id", LargeBinary(16)),
    Column("session_id", Text),
    Column("state", String(16), nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("content", LargeBinary(16)),  # digest of what the evaluator saw
    Column("cost", BigInteger, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Index("ix_decisions_trace", "trace_id", **_only_known("trace_id")),
    Index("ix_decisions_session", "session_id", **_only_known("session_id")),
    Index("ix_decisions_state", "rule_id", "state", "updated_ns"),
    sqlite_with_rowid=False,
)

# What the judges of rules did, by day.
rule_spending = Table(
    "rule_spending",
    metadata,
    Column("rule_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("cost", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule_id", Integer, nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("to_ns", BigInteger, nullable=False),
    Column("expected", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("cursor", Text),
    Column("created_ns", BigInteger, nullable=False),
)

# What annotations said before they were replaced, changed or deleted.
annotation_history = Table(
    "annotation_history",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("annotation_id", LargeBinary(16), nullable=False),
    Column("said", Text, nullable=False),  # JSON
    Column("replaced_ns", BigInteger, nullable=False),
    Index("ix_annotation_history", "annotation_id", "id"),
)

# One row: the collector's id.
instance = Table("instance", metadata, Column("id", String(16), primary_key=True))
