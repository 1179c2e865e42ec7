"""What flows and their versions need on a cluster: images, rollouts, workers that are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("flows") as batch:
        batch.add_column(sa.Column("rollout", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("min_scale", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("flow_versions") as batch:
        batch.add_column(sa.Column("image", sa.String(length=500), server_default="", nullable=False))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("flow_versions") as batch:
        batch.drop_column("image")
    with op.batch_alter_table("flows") as batch:
        batch.drop_column("min_scale")
        batch.drop_column("rollout")
