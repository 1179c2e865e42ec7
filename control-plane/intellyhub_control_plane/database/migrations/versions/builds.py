"""Builds of images, and git repositories that flows are published from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("repository_pulls", "flow_repositories", "build_lines", "build_stages", "builds")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "builds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("flow_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(length=500), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("image", sa.String(length=500), nullable=False),
        sa.Column("digest", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("builder", sa.String(length=120), nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("created_by", sa.String(length=254), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_builds_tenant_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["flow_id"], ["flows.id"], name=op.f("fk_builds_flow_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
    )
    with op.batch_alter_table("builds") as batch:
        batch.create_index(batch.f("ix_builds_flow_id"), ["flow_id"], unique=False)
        batch.create_index(batch.f("ix_builds_status_created_at"), ["status", "created_at"], unique=False)
        batch.create_index(
            batch.f("ix_builds_tenant_id_created_at_id"), ["tenant_id", "created_at", "id"], unique=False
        )
    op.create_table(
        "build_stages",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name=op.f("fk_build_stages_build_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build_id", "position", name=op.f("pk_build_stages")),
    )
    op.create_table(
        "build_lines",
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name=op.f("fk_build_lines_build_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build_id", "number", name=op.f("pk_build_lines")),
    )
    op.create_table(
        "flow_repositories",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("branch", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("flows", sa.JSON(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("wanted_at", MOMENT, nullable=True),
        sa.Column("wanted_by", sa.String(length=32), nullable=False),
        sa.Column("pulling_until", MOMENT, nullable=True),
        sa.Column("created_by", sa.String(length=32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("synced_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_flow_repositories_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_repositories")),
    )
    with op.batch_alter_table("flow_repositories") as batch:
        batch.create_index(
            batch.f("ix_flow_repositories_tenant_id_created_at_id"), ["tenant_id", "created_at", "id"], unique=False
        )
        batch.create_index(batch.f("ix_flow_repositories_wanted_at"), ["wanted_at"], unique=False)
    op.create_table(
        "repository_pulls",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["flow_repositories.id"],
            name=op.f("fk_repository_pulls_repository_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_repository_pulls")),
    )
    with op.batch_alter_table("repository_pulls") as batch:
        batch.create_index(
            batch.f("ix_repository_pulls_repository_id_number"), ["repository_id", "number"], unique=False
        )
    with op.batch_alter_table("flow_versions") as batch:
        batch.add_column(sa.Column("image_key", sa.String(length=64), server_default="", nullable=False))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("flow_versions") as batch:
        batch.drop_column("image_key")
    for table in TABLES:
        op.drop_table(table)
