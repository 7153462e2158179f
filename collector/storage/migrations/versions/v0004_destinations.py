"""Destinations that spans are sent on to, the collector's id, and the way that originals came.

Revision ID: 0004
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "destinations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("peer", sa.Text()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            for name in ("sent", "skipped", "rejected", "retried", "annotated")
        ),
        sa.Column("last_sent_ns", sa.BigInteger()),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_error_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="uq_destinations_name"),
        sqlite_autoincrement=True,
    )
    instance = op.create_table("instance", sa.Column("id", sa.String(length=16), primary_key=True))
    op.bulk_insert(instance, [{"id": secrets.token_hex(8)}])
    op.add_column("originals", sa.Column("via", sa.Text()))
