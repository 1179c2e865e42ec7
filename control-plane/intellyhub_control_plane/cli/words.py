"""Figures and times as people read them, in the answers of the commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "STATES",
    "STATUSES",
    "age_text",
    "bytes_text",
    "clock_text",
    "cluster_text",
    "milliseconds_text",
    "read_time",
    "rollout_text",
    "time_text",
]

STATES = {
    "running": "bold green",
    "listening": "cyan",
    "sleeping": "dim",
    "inactive": "yellow",
    "error": "bold red",
}
"""Styles of what flows are doing."""
STATUSES = {
    "succeeded": "green",
    "failed": "bold red",
    "waiting": "cyan",
    "running": "bold green",
    "cancelled": "yellow",
}
"""Styles of what runs came to."""
STEPS = ((60, "s"), (60, "min"), (24, "h"))


def read_time(text: str) -> datetime:
    """A time of the API (RFC 3339)."""
    return datetime.fromisoformat(text)


def age_text(text: str | None, now: datetime | None = None) -> str:
    """How long ago: `12 s`, `5 min`, `3 h`, `2 d`."""
    if not text:
        return ""
    value = max(0.0, ((now or datetime.now(UTC)) - read_time(text)).total_seconds())
    for size, unit in STEPS:
        if value < size:
            return f"{int(value)} {unit}"
        value /= size
    return f"{int(value)} d"


def time_text(text: str | None) -> str:
    """Date and time on the reader's clock."""
    return f"{read_time(text).astimezone():%Y-%m-%d %H:%M:%S}" if text else ""


def clock_text(text: str) -> str:
    """The time of the day on the reader's clock."""
    return f"{read_time(text).astimezone():%H:%M:%S}"


def bytes_text(value: int | None) -> str:
    """`6.1 MB`."""
    return "" if value is None else f"{value / 1e6:.1f} MB"


def milliseconds_text(value: float | None) -> str:
    """`1.2 ms`, `3.4 s`, `2 min 5 s`."""
    from intellyhub_engine.cli.progress import duration_text

    return "" if value is None else duration_text(int(value * 1e6))


def cluster_text(flow: Mapping[str, Any]) -> str:
    """How a flow stands on the cluster, in the cluster's words; empty on one machine."""
    deployment = flow.get("deployment")
    if not deployment:
        return ""
    shares = ", ".join(f"{tag} {percent} %" for tag, percent in sorted(deployment["routed"].items()))
    told = deployment["message"] or (f"requests go to {shares}" if shares else "")
    return f"{deployment['state']}{': ' if told else ''}{told}"


def rollout_text(flow: Mapping[str, Any]) -> str:
    """How far a rollout is; empty where none is on."""
    rollout = (flow.get("deployment") or {}).get("rollout")
    if rollout is None:
        return ""
    if rollout["phase"] == "rolled_back":
        return rollout["message"] or f"version {rollout['version']} was taken back"
    if rollout["phase"] == "done":
        return f"version {rollout['version']} has everything"
    return f"version {rollout['version']} gets {rollout['percent']} %, version {rollout['stable']} the rest"
