"""Bring the tables to what the models say. Runs at every start; two at once wait for each other.

`python -m intellyhub_control_plane.database.migrate` does only that, for the database that `DATABASE_URL` names.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from intellyhub_control_plane.database.database import Database, reason_of
from intellyhub_control_plane.errors import SettingsInvalid
from intellyhub_control_plane.settings import read_settings

__all__ = ["main", "make_config", "migrate"]

LOG = logging.getLogger(__name__)

LOCK = 0x1A7E111B
"""PostgreSQL's advisory lock of whoever migrates: any number, always the same."""


def migrate(database: Database, revision: str = "head") -> None:
    """Run the migrations that are missing, all or none. On SQLite the write lock keeps others out, on PostgreSQL an
    advisory lock that ends with the transaction."""
    with database.writing.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        command.upgrade(make_config(connection), revision)


def make_config(connection: Connection) -> Config:
    """Alembic's configuration, for a connection that stands in a transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def main(environment: Mapping[str, str]) -> int:
    """0: the tables are of this version. 2: the database is not named, or cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        url = read_settings(environment).database_url
    except SettingsInvalid as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - the message is all there is to say
        return 2
    if not url:
        LOG.error("DATABASE_URL is not set: it names the database")
        return 2
    database = Database(url)
    try:
        migrate(database)
    except DBAPIError as fault:
        reason = reason_of(fault)
        place = database.engine.url.render_as_string(hide_password=True)
        LOG.error("the database %s cannot be used: %s; start it, or correct DATABASE_URL", place, reason)  # noqa: TRY400
        return 2
    finally:
        database.dispose()
    LOG.info("the tables are of this version")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
