"""A connection's parameters out of the URL that a flow gives.

Nothing of the platform's own account gets in: no socket, no password file, no certificate, no service file.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.databases.postgresql import OWN, at_addresses
from intellyhub_functions.databases.reach import check_host, find_addresses

__all__ = ["name_of", "read_address", "read_parts"]

DEFAULT_PORT = 5432
ALLOWED = frozenset(("sslmode", "channel_binding", "options", "target_session_attrs"))
"""What may stand behind the question mark: https://www.postgresql.org/docs/current/libpq-connect.html."""


def read_address(url: str) -> dict[str, str]:
    """The parameters that libpq gets, the server's addresses among them. Raises PermanentError or RetryableError."""
    given = read_parts(url)
    addresses = find_addresses(given["host"], int(given["port"]))
    told = {**given, **at_addresses(given["host"], addresses), **OWN, "client_encoding": "UTF8"}
    return {name: value for name, value in told.items() if value}


def read_parts(url: str) -> dict[str, str]:
    """What the URL says, without looking its host up. Raises PermanentError where it cannot be used."""
    try:
        parts = urlsplit(url)
        host, port = unquote(parts.hostname or ""), parts.port or DEFAULT_PORT
    except ValueError as fault:
        raise PermanentError("url is not a PostgreSQL address") from fault
    if parts.scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise PermanentError("url is not a PostgreSQL address; it is postgresql://user:password@host/database")
    check_host(host)
    more = dict(parse_qsl(parts.query))
    unknown = sorted(more.keys() - ALLOWED)
    if unknown:
        raise PermanentError(
            f"the address's {', '.join(unknown)} cannot be used here; {', '.join(sorted(ALLOWED))} can"
        )
    return {
        **more,
        "host": host,
        "port": str(port),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path[1:]),
    }


def name_of(parameters: Mapping[str, str]) -> str:
    """The server as messages call it."""
    host = parameters["host"].partition(",")[0]
    return f"{host}:{parameters['port']}/{parameters.get('dbname', '')}"
