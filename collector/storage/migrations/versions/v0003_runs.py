"""LangSmith's runs and their attachments.

Revision ID: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _runs()
    _run_attachments()


def _known(column: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(f"{column} IS NOT NULL") for dialect in ("sqlite", "postgresql")}


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("span_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("parent_run_id", sa.LargeBinary(length=16)),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run_type", sa.Text(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger()),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reference_example_id", sa.LargeBinary(length=16)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_runs_trace", "runs", ["trace_id", "start_ns", "run_id"])
    op.create_index("ix_runs_project_start", "runs", ["project_id", "start_ns", "run_id"])
    op.create_index("ix_runs_parent", "runs", ["parent_run_id"], **_known("parent_run_id"))
    op.create_index("ix_runs_example", "runs", ["reference_example_id"], **_known("reference_example_id"))


def _run_attachments() -> None:
    op.create_table(
        "run_attachments",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
