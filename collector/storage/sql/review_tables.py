"""Which trace is kept for whom, beside the tables of ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from collector.storage.sql.tables import metadata

# What a reviewer has (``until_ns``) or skipped (``skipped_until_ns``), for annotations of a name; 0: neither.
reservations = Table(
    "reservations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("reviewer", Text, primary_key=True),
    Column("until_ns", BigInteger, nullable=False),
    Column("skipped_until_ns", BigInteger, nullable=False),
)
