"""The `sql` state: statements in one transaction, their parameters bound, the last one's rows as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.parameters import find_secret
from intellyhub_functions.states.sql.binding import Statement, make_statement
from intellyhub_functions.states.sql.database import Database, open_database
from intellyhub_functions.states.sql.rows import Limits, Result, read_result, read_written
from intellyhub_functions.states.sql.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["perform"]


def perform(parameters: Mapping[str, Any], step: Step) -> Record:
    """Run; gives `{rows, row, value, columns, row_count, truncated}` of the last statement. All count, or none."""
    url = find_secret(parameters, "url", step.scope, "DATABASE_URL")
    texts = texts_of(parameters["query"])
    seconds = float(parameters.get("timeout", 30))
    seconds = seconds if step.timeout_seconds is None else min(seconds, step.timeout_seconds)
    database = open_database(url, step.workspace, seconds)
    statements = [make_statement(text, parameters.get("parameters"), step.scope, database) for text in texts]
    limits = Limits(max_rows=parameters.get("max_rows", 1000), max_bytes=parameters.get("max_bytes", 4 * 1024 * 1024))
    result = run_all(database, statements, limits, seconds, step)
    if result.truncated:
        step.log("warning", f"only {len(result.rows)} rows are kept; `max_rows` and `max_bytes` raise the limit")
    return result.to_record()


def texts_of(written: Any) -> list[str]:
    """The statements, without those that are empty."""
    texts = [text_of(part).strip() for part in (written if isinstance(written, list) else [written])]
    if not any(texts):
        raise PermanentError("query is empty")
    return [text for text in texts if text]


def run_all(database: Database, statements: list[Statement], limits: Limits, seconds: float, step: Step) -> Result:
    """Run the statements in one transaction; the last one's result."""
    watch = Watch(step.cancelled, seconds, database.name)
    with watch, database.translated(watch), database.connect() as connection, connection.begin():
        watch.over(connection.connection.driver_connection, is_told=database.knows_time)
        database.prepare(connection, seconds)
        *before, last = statements
        for statement in before:
            if statement.runs:
                run(connection, statement).close()
        return run_last(connection, last, limits) if last.runs else Result()


def run(connection: Connection, statement: Statement, **options: Any) -> Any:
    """Run one statement; several sets of parameters run it several times."""
    return connection.execute(statement.clause, statement.parameters or None, execution_options=options)


def run_last(connection: Connection, statement: Statement, limits: Limits) -> Result:
    """Run the statement whose result counts. Rows are fetched as they are read, where the database can."""
    options = {"stream_results": True, "max_row_buffer": 200} if statement.only_reads else {}
    found = run(connection, statement, **options)
    with found:
        return read_result(found, limits) if found.returns_rows else read_written(found)
