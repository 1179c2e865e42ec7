"""Which way a flow's events come to it on a cluster: a hook, ticks for the poller, or a pod that stays connected.

Pure, and the one place that decides it. A tick only says that it may be time: whether it is, the poller works out from
the flow's own place. So ticks may be more than are needed, and never have to know a time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.durations import seconds_of
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.sources.ticking import cron_of_interval, cron_of_schedule

__all__ = ["POLLED", "REGISTRATION_SECONDS", "Placement", "Polled", "Way", "interval_of", "place"]

REGISTRATION_SECONDS = 300.0
"""How often it is seen to that Telegram knows the address of a bot's hook."""
UNKNOWN_SECONDS = 60.0
"""How often the poller looks whether it is time, where a secret or a variable of the tenant says how often that is."""


class Way(StrEnum):
    """How events come."""

    NONE = "none"  # no listener, or the Broker brings them: nothing but the flow's Trigger is needed
    HOOK = "hook"  # the gateway takes requests
    POLL = "poll"  # ticks of a PingSource wake the poller, which looks once
    LISTEN = "listen"  # a pod stays connected


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a flow's listener needs on a cluster."""

    way: Way
    cron: str = ""
    """`spec.schedule` of its PingSource, six fields with the seconds first, in UTC; empty: it needs none. A hook can
    have one too: Telegram has to be told the address."""


class Polled(NamedTuple):
    """How a source is asked in turns."""

    interval: str | None
    """The parameter with the seconds between two looks."""
    seconds: float
    """Without one."""
    rests: bool = True
    """True: a look ends by itself, and the source then rests. False: it would wait for what may come; a moment without
    anything ends its turn."""


POLLED: Mapping[str, Polled] = {
    "rss": Polled("check_interval", 300.0),
    "s3": Polled("check_interval", 60.0),
    "email": Polled("polling_interval", 30.0),
    "sqs": Polled(None, 60.0, rests=False),
    "postgres": Polled("check_interval", 30.0, rests=False),
}
"""By type. Everything else that has to be listened to stays connected."""


def place(deployment: Deployment, catalogue: Catalogue) -> Placement:
    """How a flow's events come to it. `catalogue` is what is built in; a plugin's listener stays connected."""
    written = deployment.listener
    if not written or not written.get("type"):
        return Placement(way=Way.NONE)
    kind = catalogue.sources.get(str(written["type"]))
    if kind is None or kind.load is None or not kind.installed:
        return Placement(way=Way.LISTEN if deployment.plugins else Way.NONE)
    if kind.brought:
        return Placement(way=Way.HOOK if kind.load_hook is not None else Way.NONE)
    known = literals(written, kind, deployment.variables)
    if kind.type == "telegram" and known.get("mode") == "webhook":
        return Placement(way=Way.HOOK, cron=cron_of_interval(REGISTRATION_SECONDS, deployment.flow_id) or "")
    if kind.type == "schedule":
        return poll(schedule_cron(known, deployment.flow_id))
    if kind.type not in POLLED or waits_for_word(kind.type, known):
        return Placement(way=Way.LISTEN)
    return poll(cron_of_interval(interval_of(kind.type, known), deployment.flow_id))


def poll(cron: str | None) -> Placement:
    """Ticks; where they would come so often that the poller never slept, a pod is as cheap, and quicker."""
    return Placement(way=Way.LISTEN) if cron is None else Placement(way=Way.POLL, cron=cron)


def waits_for_word(kind: str, known: Mapping[str, Any]) -> bool:
    """Whether the other end tells at once, so that it pays to stay connected; or forgets what nobody hears."""
    if kind == "email":
        return known.get("idle", True) is not False
    return kind == "postgres" and bool(known.get("channel")) and not known.get("table")


def interval_of(kind: str, parameters: Mapping[str, Any]) -> float:
    """Seconds between two looks of a polled source."""
    row = POLLED[kind]
    written = parameters.get(row.interval) if row.interval else row.seconds
    if written is None:
        return UNKNOWN_SECONDS if row.interval in parameters else row.seconds
    seconds = seconds_of(written)
    return row.seconds if seconds is None else max(seconds, 0.0)


def schedule_cron(known: Mapping[str, Any], flow_id: str) -> str | None:
    """When to look at a schedule; None where it fires so often that it is better listened to."""
    cron, every, zone = known.get("cron"), known.get("every"), known.get("timezone", "UTC")
    if isinstance(cron, str) and cron.strip() and isinstance(zone, str):
        return cron_of_schedule(cron, zone)
    seconds = seconds_of(every) if every is not None else None
    return cron_of_interval(UNKNOWN_SECONDS if seconds is None else seconds, flow_id, on_time=True)


def literals(written: Mapping[str, Any], kind: SourceType, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters by their canonical names, as far as they are known without the tenant's own names: None for those
    that are not."""
    nested = written.get("parameters")
    flat = {**written, **(nested if isinstance(nested, Mapping) else {})}
    names = {alias: name for name, parameter in kind.parameters.items() for alias in parameter.aliases}
    return {names.get(key, key): literal(value, variables) for key, value in flat.items()}


def literal(value: Any, variables: Mapping[str, Any]) -> Any:
    """A value that is written out, in place or as a variable of the flow; None where a name of the tenant is in it."""
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        value = variables.get(value[1:-1].strip())
    return None if isinstance(value, str) and "{" in value else value
