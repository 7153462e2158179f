"""Rules, what was decided by them, back-fills, and what annotations said before.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _rules()
    _decisions()
    _spending_and_backfills()
    _history()


def _rules() -> None:
    op.create_table(
        "rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="uq_rules_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rule_versions",
        sa.Column("rule_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("rule_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("target", sa.Text(), primary_key=True),
        sa.Column("trace_id", sa.LargeBinary(length=16)),
        sa.Column("session_id", sa.Text()),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("content", sa.LargeBinary(length=16)),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    for column in ("trace_id", "session_id"):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_decisions_{column.partition('_')[0]}",
            "decisions",
            [column],
            sqlite_where=known,
            postgresql_where=known,
        )
    op.create_index("ix_decisions_state", "decisions", ["rule_id", "state", "updated_ns"])


def _spending_and_backfills() -> None:
    op.create_table(
        "rule_spending",
        sa.Column("rule_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "backfills",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_ns", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
    )


def _history() -> None:
    op.create_table(
        "annotation_history",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("annotation_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("replaced_ns", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_annotation_history", "annotation_history", ["annotation_id", "id"])
