"""An index by which a rule's scores are found, without its traces.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("ix_annotations_identifier", "annotations", ["identifier", "created_ns"])
