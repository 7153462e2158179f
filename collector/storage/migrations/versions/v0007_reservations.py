"""Traces that are kept for whoever reviews them.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "reservations",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("trace_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("reviewer", sa.Text(), primary_key=True),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("skipped_until_ns", sa.BigInteger(), nullable=False),
    )
