"""Datasets in versions, and experiments with them.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _datasets()
    _experiments()


def _datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.LargeBinary(16), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("name", name="uq_datasets_name"),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("dataset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("example_count", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "dataset_tags",
        sa.Column("dataset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("tag", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "dataset_examples",
        sa.Column("dataset_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("since", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("until", sa.Integer()),
        sa.Column("example_id", sa.LargeBinary(16), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("same", sa.LargeBinary(16), nullable=False),
        sa.Column("split", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("data", sa.Text(), nullable=False),
    )
    known = ["dataset_id", "example_id", "since", "until", "position", "hash", "same"]
    op.create_index("ix_dataset_examples_id", "dataset_examples", known)


def _experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.LargeBinary(16), primary_key=True),
        sa.Column("dataset_id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("baseline", sa.Text()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger()),
        sa.UniqueConstraint("dataset_id", "name", name="uq_experiments_name"),
    )
    op.create_index("ix_experiments_created", "experiments", ["created_ns", "id"])
    op.create_table(
        "experiment_runs",
        sa.Column("experiment_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("repetition", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("example_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("output", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("trace_id", sa.LargeBinary(16)),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("total_tokens", sa.BigInteger()),
        sa.Column("cost", sa.BigInteger()),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger()),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
    )
