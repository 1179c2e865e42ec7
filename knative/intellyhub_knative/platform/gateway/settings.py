"""What the gateway can be told, read once from the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import read_fields, seconds, text, variable, web_address, whole

__all__ = ["Network", "Settings", "read_settings"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(value: str) -> tuple[Network, ...]:
    """Addresses or networks, separated by commas."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
    except ValueError as fault:
        raise ValueError(f"holds what is no network: {fault}") from None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Empty means unset. docs/events.md lists them."""

    host: str = variable("INTELLYHUB_HOST", "127.0.0.1", text)
    """Where to listen, if no socket is handed down."""
    port: int = variable("INTELLYHUB_PORT", 5000, whole(0, 65535))
    """0 takes a free one."""
    trusted_proxies: tuple[Network, ...] = variable("INTELLYHUB_TRUSTED_PROXIES", (), networks)
    """Whose `X-Forwarded-*` headers count: those of a proxy in front of this port."""
    public_url: str = variable("INTELLYHUB_PUBLIC_URL", "", web_address)
    """How the platform is reached from outside; empty: as each request reached it."""
    max_connections: int = variable("INTELLYHUB_GATEWAY_CONNECTIONS", 10_000, whole(1, 1_000_000))
    """Open at a time; the next ones are told 503."""
    header_seconds: float = variable("INTELLYHUB_GATEWAY_HEADER_SECONDS", 10.0, seconds(0.1, 600))
    """For the head of a connection's first request, from its opening."""
    body_seconds: float = variable("INTELLYHUB_GATEWAY_BODY_SECONDS", 60.0, seconds(0.1, 3600))
    """For a body of an event or a hook, in all."""
    keep_alive_seconds: float = variable("INTELLYHUB_GATEWAY_KEEP_ALIVE_SECONDS", 75.0, seconds(1, 3600))
    """For an idle connection."""
    max_event_bytes: int = variable("INTELLYHUB_MAX_EVENT_BYTES", 1 << 20, whole(1, 64 << 20))
    """One event, as it is sent."""
    max_hook_bytes: int = variable("INTELLYHUB_MAX_HOOK_BYTES", 4 << 20, whole(1, 64 << 20))
    """A hook's body, whatever its listener allows."""
    max_reply_seconds: float = variable("INTELLYHUB_MAX_REPLY_SECONDS", 600.0, seconds(0, 86_400))
    """How long a hook's sender waits for the run, whatever its listener says."""
    max_batch_bytes: int = variable("INTELLYHUB_MAX_BATCH_BYTES", 8 << 20, whole(1, 256 << 20))
    """A batch of events."""
    max_held_bytes: int = variable("INTELLYHUB_GATEWAY_BODY_BYTES", 256 << 20, whole(1 << 20, 1 << 40))
    """Of bodies in memory, over all requests under way; who finds no room is told 503."""
    max_tenant_requests: int = variable("INTELLYHUB_GATEWAY_TENANT_REQUESTS", 2500, whole(1, 1_000_000))
    """Events and hooks of one tenant that are under way at a time; the next ones are told 503."""
    max_dead_letter_bytes: int = variable("INTELLYHUB_MAX_DEAD_LETTER_BYTES", 16 << 20, whole(1, 64 << 20))
    """A dead letter's body. Events that runs emit may be larger than those from outside."""
    control: str = variable("INTELLYHUB_CONTROL", "", web_address)
    """Where the control plane answers, on a cluster; empty: at its socket in the data folder."""
    events_per_second: int = variable("INTELLYHUB_EVENTS_PER_SECOND", 2000, whole(1, 1_000_000))
    """What one tenant may post to `/events`, on average; five seconds of it may come at once."""
    journal_seconds: float = variable("INTELLYHUB_GATEWAY_JOURNAL_SECONDS", 5.0, seconds(0.1, 60))
    """How long an event waits for the journal service before its sender is told 503."""
    control_seconds: float = variable("INTELLYHUB_GATEWAY_CONTROL_SECONDS", 10.0, seconds(0.1, 60))
    """How long a request waits for a control plane that is being restarted."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings; raises `InputInvalid` with every variable that cannot be used."""
    values, faults = read_fields(Settings, environment)
    if faults:
        raise InputInvalid("; ".join(faults))
    return Settings(**values)
