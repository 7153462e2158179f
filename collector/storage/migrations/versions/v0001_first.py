"""The first schema.

Revision ID: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LISTED = ["start_ns", "trace_id", "duration_ns", "status", "total_tokens", "cost_total", "unpriced_calls"]


def upgrade() -> None:
    _projects()
    _batches()
    _originals()
    _spans()
    _traces()
    _calls()
    _queue_items()
    _search()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE originals ALTER COLUMN data SET STORAGE EXTERNAL")


def _known(column: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(f"{column} IS NOT NULL") for dialect in ("sqlite", "postgresql")}


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("span_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("span_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("provider", sa.Text()),
        sa.Column("session_id", sa.Text()),
        sa.Column("user_id", sa.Text()),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("total_tokens", sa.BigInteger()),
        sa.Column("cache_read_tokens", sa.BigInteger()),
        sa.Column("cache_write_tokens", sa.BigInteger()),
        sa.Column("audio_input_tokens", sa.BigInteger()),
        sa.Column("reasoning_tokens", sa.BigInteger()),
        sa.Column("audio_output_tokens", sa.BigInteger()),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("cost_status", sa.SmallInteger(), nullable=False),
        sa.Column("cost_total", sa.BigInteger()),
        sa.Column("cost_input", sa.BigInteger()),
        sa.Column("cost_output", sa.BigInteger()),
        sa.Column("cost_reported", sa.BigInteger()),
        sa.Column("ttft_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("trace_id", "span_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_calls_project_start", "calls", ["project_id", "start_ns"])
    op.create_index("ix_calls_start", "calls", ["start_ns"])


def _originals() -> None:
    op.create_table(
        "originals",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_originals_batch", "originals", ["batch_id"])


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )


def _queue_items() -> None:
    op.create_table(
        "queue_items",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("lease_ns", sa.BigInteger()),
        sa.Column("worker", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("payload", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_queue_due", "queue_items", ["consumer", "state", "due_ns", "id"])


def _spans() -> None:
    op.create_table(
        "spans",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("span_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("parent_span_id", sa.LargeBinary(length=8)),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("original_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("service", sa.Text()),
        sa.Column("scope", sa.Text()),
        sa.Column("request_model", sa.Text()),
        sa.Column("response_model", sa.Text()),
        sa.Column("provider", sa.Text()),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("total_tokens", sa.BigInteger()),
        sa.Column("usage_details", sa.Text()),
        sa.Column("cost_status", sa.SmallInteger()),
        sa.Column("cost_total", sa.BigInteger()),
        sa.Column("cost_input", sa.BigInteger()),
        sa.Column("cost_output", sa.BigInteger()),
        sa.Column("cost_reported", sa.BigInteger()),
        sa.Column("price_id", sa.Text()),
        sa.Column("ttft_ns", sa.BigInteger()),
        sa.Column("response_id", sa.Text()),
        sa.Column("session_id", sa.Text()),
        sa.Column("user_id", sa.Text()),
        sa.Column("extra", sa.Text()),
        sa.Column("error_type", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("duplicate_of", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("trace_id", "span_id", name="uq_spans_ids"),
    )


def _traces() -> None:
    op.create_table(
        "traces",
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("span_count", sa.Integer(), nullable=False),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.Column("root_span_id", sa.LargeBinary(length=8)),
        sa.Column("session_id", sa.Text()),
        sa.Column("user_id", sa.Text()),
        sa.Column("tags", sa.Text()),
        sa.Column("metadata", sa.Text()),
        sa.Column("error_type", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("usage", sa.Text()),
        sa.Column("total_tokens", sa.BigInteger()),
        sa.Column("cost_status", sa.SmallInteger()),
        sa.Column("cost_total", sa.BigInteger()),
        sa.Column("cost_input", sa.BigInteger()),
        sa.Column("cost_output", sa.BigInteger()),
        sa.Column("cost_reported", sa.BigInteger()),
        sa.Column("llm_calls", sa.Integer(), nullable=False),
        sa.Column("unpriced_calls", sa.Integer(), nullable=False),
        sa.Column("ttft_ns", sa.BigInteger()),
        sa.Column("input", sa.Text()),
        sa.Column("output", sa.Text()),
        sa.PrimaryKeyConstraint("trace_id"),
    )
    op.create_index("ix_traces_project_start", "traces", ["project_id", *_LISTED])
    op.create_index("ix_traces_session", "traces", ["session_id", "start_ns"], **_known("session_id"))
    op.create_index("ix_traces_start", "traces", _LISTED)
    op.create_index("ix_traces_user", "traces", ["user_id", "start_ns"], **_known("user_id"))


def _search() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')"
        )
        op.execute(
            "CREATE TABLE searched (trace_id BLOB NOT NULL, original_id INTEGER NOT NULL, "
            "PRIMARY KEY (trace_id, original_id)) WITHOUT ROWID"
        )
    else:
        op.execute(
            "CREATE TABLE search (original_id BIGINT PRIMARY KEY, trace_id BYTEA NOT NULL, document TSVECTOR NOT NULL)"
        )
        op.execute("CREATE INDEX ix_search_document ON search USING gin (document)")
