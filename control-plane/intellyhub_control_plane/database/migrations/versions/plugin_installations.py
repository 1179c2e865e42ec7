"""Installations of plugins that every pod of a cluster's API can tell of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "plugin_installations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_plugin_installations_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plugin_installations")),
    )
    with op.batch_alter_table("plugin_installations") as batch:
        batch.create_index(batch.f("ix_plugin_installations_tenant_id_id"), ["tenant_id", "id"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("plugin_installations")
