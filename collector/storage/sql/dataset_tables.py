"""The tables of datasets and experiments, beside those of ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from collector.storage.sql.tables import metadata

datasets = Table(
    "datasets",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("metadata", Text, nullable=False),  # JSON
    Column("version", Integer, nullable=False),  # the newest
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    UniqueConstraint("name", name="uq_datasets_name"),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("example_count", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("note", Text),
    Column("created_ns", BigInteger, nullable=False),
)

dataset_tags = Table(
    "dataset_tags",
    metadata,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)

# One row for each text of an example: it belongs to the versions from ``since`` on and before ``until``.
dataset_examples = Table(
    "dataset_examples",
    metadata,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("since", Integer, primary_key=True, autoincrement=False),
    Column("until", Integer),
    Column("example_id", LargeBinary(16), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("same", LargeBinary(16), nullable=False),  # digest of input and expected output
    Column("split", Text),
    Column("source", Text),
    Column("data", Text, nullable=False),  # JSON: input, expected, metadata
    # everything that a change has to know of a whole version, so that no text is read for it
    Index("ix_dataset_examples_id", "dataset_id", "example_id", "since", "until", "position", "hash", "same"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("dataset_id", LargeBinary(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", Text, nullable=False),  # JSON
    Column("state", String(12), nullable=False),
    Column("baseline", Text),
    Column("created_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    UniqueConstraint("dataset_id", "name", name="uq_experiments_name"),
    Index("ix_experiments_created", "created_ns", "id"),
)

experiment_runs = Table(
    "experiment_runs",
    metadata,
    Column("experiment_id", LargeBinary(16), primary_key=True),
    Column("repetition", Integer, primary_key=True, autoincrement=False),
    Column("example_id", LargeBinary(16), primary_key=True),
    Column("output", Text),  # JSON
    Column("error", Text),
    Column("trace_id", LargeBinary(16)),
    Column("latency_ms", Double),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("cost", BigInteger),
    Column("scores", Text, nullable=False),  # JSON
    Column("started_ns", BigInteger),
    Column("updated_ns", BigInteger, nullable=False),
)
