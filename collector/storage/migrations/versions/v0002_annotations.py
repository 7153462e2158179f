"""Annotations, and what LangSmith's protocol knows of a project.

Revision ID: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _annotations()
    _project_details()


def _known(column: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(f"{column} IS NOT NULL") for dialect in ("sqlite", "postgresql")}


def _annotations() -> None:
    op.create_table(
        "annotations",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16)),
        sa.Column("span_id", sa.LargeBinary(length=8)),
        sa.Column("session_id", sa.Text()),
        sa.Column("document_position", sa.Integer()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("annotator_kind", sa.String(length=8), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("data_type", sa.String(length=12)),
        sa.Column("score", sa.Double()),
        sa.Column("label", sa.Text()),
        sa.Column("value", sa.Text()),
        sa.Column("correction", sa.Text()),
        sa.Column("explanation", sa.Text()),
        sa.Column("metadata", sa.Text()),
        sa.Column("source", sa.Text()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="uq_annotations_key"),
    )
    op.create_index("ix_annotations_created", "annotations", ["created_ns", "id"])
    for target in ("trace", "span", "session"):
        column = f"{target}_id"
        op.create_index(f"ix_annotations_{target}", "annotations", [column], **_known(column))
    op.create_index("ix_annotations_name", "annotations", ["name", "created_ns", "id"])


def _project_details() -> None:
    op.create_table(
        "project_details",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("uuid", sa.LargeBinary(length=16), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("extra", sa.Text()),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("project_id"),
        sa.UniqueConstraint("uuid", name="uq_project_details_uuid"),
    )
