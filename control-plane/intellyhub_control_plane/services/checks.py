"""Looks at services: whether something answers where they are said to be."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from intellyhub_control_plane.services.facts import ServiceFacts, same_type
from intellyhub_engine.errors import StepFailed
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.network.connections import AddressRefused, refuse_forbidden
from intellyhub_functions.network.exchange import Request, send

__all__ = ["Finding", "Target", "find_target", "look_at"]

SECONDS = 5.0
MOST_SECONDS = 10.0
BODY_BYTES = 64 << 10
PORTS = {
    "neo4j": 7687,
    "redis": 6379,
    "postgresql": 5432,
    "mysql": 3306,
    "elasticsearch": 9200,
    "mongodb": 27017,
    "kafka": 9092,
    "rabbitmq": 5672,
}
SCHEMES = {"http": 80, "https": 443, "neo4j+s": 7687, "bolt": 7687, "rediss": 6379, "amqp": 5672, "amqps": 5671}
ADDRESS_KEYS = ("url", "base_url", "bolt_url", "http_url", "uri", "endpoint", "bootstrap_servers", "address")
SERVER_FAULT = 500


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to look, and how."""

    host: str
    port: int
    url: str | None = None
    """For a look over HTTP."""
    seconds: float = SECONDS


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a look came to."""

    healthy: bool | None
    """None: it is not known where to look."""
    message: str
    milliseconds: float | None = None


def look_at(service: ServiceFacts, wanted: Mapping[str, Any] | None = None) -> Finding:
    """Look once. The placeholders of its connection are filled. `wanted`: a check that a manifest describes."""
    target = find_target(service, wanted)
    if target is None:
        return Finding(healthy=None, message="its connection names no host: give it a url, or host and port")
    began = time.monotonic()
    try:
        if target.url is None:
            connect(target)
            message = None
        else:
            message = ask(target, target.url)
    except (StepFailed, AddressRefused, OSError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        return Finding(healthy=False, message=f"{target.host}:{target.port}: {reason}", milliseconds=since(began))
    return Finding(healthy=message is None, message=message or "answers", milliseconds=since(began))


def since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def connect(target: Target) -> None:
    """Open a connection and close it. Raises `OSError`, `AddressRefused`."""
    with socket.create_connection((target.host, target.port), target.seconds) as connection:
        refuse_forbidden(target.host, connection)


def ask(target: Target, url: str) -> str | None:
    """Send a request; what is wrong with the answer. Who asks for credentials is there."""
    request = Request(
        method="GET",
        url=url,
        timeout_seconds=target.seconds,
        deadline_seconds=target.seconds,
        max_redirects=0,
        max_body_bytes=BODY_BYTES,
        called=f"{target.host}:{target.port}",
    )
    status = send(request).status
    return f"answers HTTP {status}" if status >= SERVER_FAULT else None


def find_target(service: ServiceFacts, wanted: Mapping[str, Any] | None = None) -> Target | None:
    """Where a service is, from its connection and its health check; None where nothing says it."""
    check = {**(wanted or {}), **mapping(service.config.get("healthCheck") or service.config.get("health_check"))}
    address = find_address(service.connection)
    host, port, scheme = split(address) if address else ("", None, "")
    host = str(service.connection.get("host") or host)
    stated = number(service.connection.get("port")) or port or outer_port(number(check.get("port")), service.config)
    port = stated or SCHEMES.get(scheme) or PORTS.get(same_type(service.type))
    if not host or port is None:
        return None
    seconds = min(number(check.get("timeout")) or SECONDS, MOST_SECONDS)
    url = None
    if str(check.get("type") or "").lower() == "http":
        secure = "https" if scheme == "https" else "http"
        path = str(check.get("path") or "/")
        url = f"{secure}://{bracketed(host)}:{port}{path if path.startswith('/') else f'/{path}'}"
    return Target(host=host, port=port, url=url, seconds=float(seconds))


def outer_port(port: int | None, config: Mapping[str, Any]) -> int | None:
    """The port under which a container's port is reached."""
    ports = config.get("ports")
    for each in ports if isinstance(ports, list) else ():
        if number(mapping(each).get("containerPort")) == port:
            return number(mapping(each).get("servicePort")) or port
    return port


def find_address(connection: Mapping[str, Any]) -> str | None:
    """The value that looks like an address, the usual keys first."""
    values = [connection.get(key) for key in ADDRESS_KEYS] + [
        value for key, value in connection.items() if key.endswith(("_url", "_uri"))
    ]
    return next((value for value in values if isinstance(value, str) and value), None)


def split(address: str) -> tuple[str, int | None, str]:
    """Host, port and scheme of a URL, or of the first of several `host:port`."""
    first = address.partition(",")[0].strip()
    try:
        parts = urlsplit(first if "://" in first else f"//{first}")
        return parts.hostname or "", parts.port, parts.scheme.lower()
    except ValueError:
        return "", None, ""


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def number(value: Any) -> int | None:
    """A whole number above 0, also written as text."""
    try:
        found = int(value)
    except (TypeError, ValueError):
        return None
    return found if found > 0 else None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
