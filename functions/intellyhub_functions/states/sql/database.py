"""The database that a URL means: which driver, which address, what its errors mean."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_functions.databases.postgresql import OWN, PASSING_CLASSES, at_addresses
from intellyhub_functions.databases.reach import find_addresses
from intellyhub_functions.files.paths import place
from intellyhub_functions.network.tcp import connect

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from intellyhub_functions.states.sql.watch import Watch

__all__ = ["Database", "open_database"]

CONNECT_SECONDS = 10
NO_ADDRESS = "url is not a database's address, such as postgresql://user:password@host/name"
DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
}
"""Where a URL names no driver: the one that our extras bring."""
EXTRAS = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "sql"}
OTHERS = {
    "mssql": "pyodbc or pymssql",
    "oracle": "oracledb",
    "snowflake": "snowflake-sqlalchemy",
    "duckdb": "duckdb-engine",
}
UNSAFE = frozenset(
    (
        *("host", "hostaddr", "service", "servicefile", "passfile", "sslcert", "sslcrl", "sslkey"),
        *("defaults_file", "init_command", "local_infile", "named_pipe", "plugin_dir", "unix_socket"),
        *("read_default_file", "read_default_group", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key"),
    )
)
"""Of what may stand behind the question mark: what names files or sockets of the machine, or another server."""
PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
LOOK_FOR_US = "SELECT set_config(name, '2000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"


class Database:
    """One database as one step uses it: a connection is made for the step, because an idle worker keeps none."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self.has_arrays = self.knows_time = engine.dialect.name == "postgresql"
        """Whether lists are values of its own; whether it ends statements by itself, see `prepare`."""
        self.only_texts = engine.dialect.name == "sqlite"
        """Whether moments and decimal numbers have to be texts."""
        self._engine = engine

    def connect(self) -> Connection:
        """A connection; a context."""
        return self._engine.connect()

    def prepare(self, connection: Connection, seconds: float) -> None:
        """Let the server end statements when their time is over, or when we are gone (PostgreSQL 14 and later)."""
        if self.knows_time:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(int(seconds * 1000), 1)}")
            connection.exec_driver_sql(LOOK_FOR_US)

    @contextlib.contextmanager
    def translated(self, watch: Watch) -> Iterator[None]:
        """Inside, SQLAlchemy may be used; its errors are translated here and nowhere else."""
        from sqlalchemy import exc

        try:
            yield
        except exc.SQLAlchemyError as fault:
            raise self._failure_of(fault, watch) from fault
        except (OSError, ValueError, TypeError) as fault:  # drivers on values and addresses that they cannot take
            raise PermanentError(f"{self.name}: {one_line(fault)}") from fault

    def _failure_of(self, fault: Any, watch: Watch) -> Exception:
        from sqlalchemy import exc

        if watch.reason == "cancelled":
            return StepCancelled("the run was cancelled")
        code = class_of(getattr(fault, "orig", None))
        if watch.reason == "timeout" or code == "57014":
            return StepTimedOut(f"{self.name}: not done after {watch.seconds:g} s")
        message = f"{self.name}: {one_line(getattr(fault, 'orig', None) or fault)}"
        lost = isinstance(fault, exc.DBAPIError) and fault.connection_invalidated
        if lost or code[:2] in PASSING_CLASSES or (isinstance(fault, exc.OperationalError) and passes(fault, code)):
            return RetryableError(message)
        return PermanentError(message)


def class_of(fault: Any) -> str:
    """The SQLSTATE of a driver's error, where it has one."""
    return str(getattr(fault, "pgcode", None) or getattr(fault, "sqlstate", None) or "")


def passes(fault: Any, code: str) -> bool:
    """Whether an operational error without a class may pass: a server that is away, a table that is locked."""
    if code:
        return False
    if isinstance(fault.orig, sqlite3.Error):
        return getattr(fault.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL"))
    number = next(iter(getattr(fault.orig, "args", ())), None)
    return not isinstance(number, int) or number in (1040, 1205, 1213, 2003, 2006, 2013)  # MySQL's


def one_line(fault: object) -> str:
    return " ".join(str(fault).split())[:1000] or type(fault).__name__


def open_database(written: str, workspace: Path, seconds: float) -> Database:
    """The database at a URL, not yet connected to. Raises PermanentError where flows may not go, or the driver is not
    here; RetryableError where its host is not known now."""
    try:
        from sqlalchemy import create_engine, exc, make_url
        from sqlalchemy.pool import NullPool
    except ImportError as fault:
        raise PermanentError("SQLAlchemy is not installed; it comes with intellyhub-functions[sql]") from fault

    try:
        url = make_url(written)
    except (exc.ArgumentError, ValueError) as fault:
        raise PermanentError(NO_ADDRESS) from fault
    try:
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        engine_url, arguments, name = find_place(url, workspace, seconds)
        engine = create_engine(engine_url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except exc.ArgumentError as fault:
        if isinstance(fault, exc.NoSuchModuleError):
            raise PermanentError(missing(url.get_backend_name())) from fault
        raise PermanentError(NO_ADDRESS) from fault
    except ImportError as fault:
        raise PermanentError(missing(url.get_backend_name())) from fault
    if engine.dialect.is_async:
        raise PermanentError(f"{url.drivername} is an asynchronous driver; name another one, or none")
    if engine.dialect.name == "sqlite":
        confine(engine)
    if engine.driver == "pymysql":
        guard(engine)
    return Database(engine, name)


def missing(backend: str) -> str:
    """What brings a database's driver."""
    if backend in EXTRAS:
        return f"the driver for {backend} is not installed; it comes with intellyhub-functions[{EXTRAS[backend]}]"
    hint = f"install {OTHERS[backend]}" if backend in OTHERS else "install the package that brings it"
    return f"there is no driver for {backend} in this installation; {hint}"


def find_place(url: URL, workspace: Path, seconds: float) -> tuple[URL, dict[str, Any], str]:
    """The URL to use, more arguments for the driver, and how messages call the database."""
    refused = sorted(UNSAFE & {name.lower() for name in url.query})
    if refused:
        raise PermanentError(f"the address's {', '.join(refused)} cannot be used in a flow")
    backend = url.get_backend_name()
    if backend == "sqlite":
        return find_file(url, workspace, seconds)
    port = url.port or PORTS.get(backend)
    addresses = find_addresses(url.host or "", port or 0) if url.host or backend in PORTS else []
    name = f"{url.host or backend}{f':{port}' if port else ''}/{url.database or ''}"
    if backend == "postgresql" and url.get_driver_name() in ("psycopg2", "psycopg"):
        return url, {**OWN, "connect_timeout": CONNECT_SECONDS, **at_addresses(str(url.host), addresses)}, name
    if url.get_driver_name() == "pymysql":
        wait = max(int(seconds) + 1, 1)
        return url, {"connect_timeout": CONNECT_SECONDS, "read_timeout": wait, "write_timeout": wait}, name
    return url, {}, name


def find_file(url: URL, workspace: Path, seconds: float) -> tuple[URL, dict[str, Any], str]:
    """A database in a file of the workspace, or in memory."""
    written = url.database or ""
    if written.lower().startswith("file:"):
        raise PermanentError("an SQLite address names a file of the workspace: sqlite:///data.db")
    arguments: Mapping[str, Any] = {"timeout": min(seconds / 2, 10.0), "check_same_thread": False}
    if written in ("", ":memory:"):
        return url.set(query={}), dict(arguments), "the database in memory"
    path = place(written, workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    return url.set(database=str(path), query={}), dict(arguments), path.name


def guard(engine: Engine) -> None:
    """Have pymysql connect over a socket of ours: it looks the host up once more, and may find another address then."""
    from sqlalchemy import event

    def connect_to(dialect: Any, _: object, arguments: Any, given: dict[str, Any]) -> Any:
        sock = connect(str(given["host"]), int(given.get("port") or PORTS["mysql"]), CONNECT_SECONDS)
        connection = dialect.loaded_dbapi.connect(*arguments, **given, defer_connect=True)
        connection.connect(sock)
        return connection

    event.listen(engine, "do_connect", connect_to)


def confine(engine: Engine) -> None:
    """Keep SQL from opening other files (ATTACH, and with it VACUUM INTO), and make a transaction hold all statements:
    by itself the driver begins one only before the first row is changed."""
    from sqlalchemy import event

    def authorize(action: int, name: str | None, *_: object) -> int:
        opens = action == sqlite3.SQLITE_ATTACH and name not in ("", ":memory:")
        return sqlite3.SQLITE_DENY if opens else sqlite3.SQLITE_OK

    def attend(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.set_authorizer(authorize)

    event.listen(engine, "connect", attend)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
