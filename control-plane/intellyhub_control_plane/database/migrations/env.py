"""Called by Alembic: run the migrations on the connection that `migrate` holds."""

from __future__ import annotations

from alembic import context

from intellyhub_control_plane.models.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter most of a table; Alembic copies it instead
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
