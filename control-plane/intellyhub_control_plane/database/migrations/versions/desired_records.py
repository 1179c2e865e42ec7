"""The desired state of a cluster, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = ("desired_record", "cluster_status")


def upgrade() -> None:
    """Make the tables."""
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("kind", sa.String(length=32), nullable=False),
            sa.Column("id", sa.String(length=400), nullable=False),
            sa.Column("document", sa.Text(), nullable=False),
            sa.Column("revision", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("kind", "id", name=op.f(f"pk_{table}")),
        )


def downgrade() -> None:
    """Remove them."""
    for table in reversed(TABLES):
        op.drop_table(table)
