"""How each part of the platform is, asked with short patience."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import orjson
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from intellyhub_control_plane.doors import ask
from intellyhub_control_plane.errors import Unreachable
from intellyhub_control_plane.platform import Platform
from intellyhub_control_plane.shapes.operations import HealthStatus, PartHealth
from intellyhub_engine.errors import JournalError
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose

__all__ = ["overall", "parts_health"]

ASK_SECONDS = 1.0
SERVED = ("activator", "broker", "gateway", "sources")
"""Processes with a page on their own socket."""
ESSENTIAL = frozenset(("database", "journal"))
"""Without these nothing works at all."""


def parts_health(platform: Platform) -> dict[str, PartHealth]:
    """Every part by name, asked at the same time."""
    pids = read_pids(platform)
    questions: dict[str, Callable[[], str | None]] = {
        "database": lambda: ask_database(platform),
        "journal": lambda: ask_journal(platform),
    }
    if platform.statuses.are_there:
        questions["reconciler"] = lambda: ask_reconciler(platform)
    else:
        questions |= {part: lambda part=part: ask_page(platform, part) for part in SERVED}  # type: ignore[misc]
    with ThreadPoolExecutor(len(questions)) as threads:
        asked = {part: threads.submit(look, question, pids.get(part)) for part, question in questions.items()}
        found = {part: future.result() for part, future in asked.items()}
    own = PartHealth(status=HealthStatus.OK, reason=None, pid=os.getpid(), latency_ms=0.0)
    return {**found, "control": own}


def overall(parts: Mapping[str, PartHealth]) -> HealthStatus:
    """Down without what is essential; degraded where any part is not well."""
    if any(parts[part].status is HealthStatus.DOWN for part in ESSENTIAL if part in parts):
        return HealthStatus.DOWN
    all_well = all(part.status is HealthStatus.OK for part in parts.values())
    return HealthStatus.OK if all_well else HealthStatus.DEGRADED


def look(question: Callable[[], str | None], pid: int | None) -> PartHealth:
    """Ask one part. A question gives what is not well, or raises where nobody answers."""
    began = time.monotonic()
    try:
        complaint = question()
    except (Unreachable, JournalError, SQLAlchemyError) as fault:
        reason = fault.reason if isinstance(fault, Unreachable) else f"it does not answer ({type(fault).__name__})"
        return PartHealth(status=HealthStatus.DOWN, reason=reason, pid=pid, latency_ms=None)
    status = HealthStatus.DEGRADED if complaint else HealthStatus.OK
    return PartHealth(status=status, reason=complaint, pid=pid, latency_ms=round((time.monotonic() - began) * 1e3, 2))


def ask_database(platform: Platform) -> None:
    """A question that touches no table."""
    with platform.database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def ask_journal(platform: Platform) -> None:
    """With a client of its own: the usual one is patient while the service starts again."""
    token = platform.keys.token(Purpose.JOURNAL)
    client = JournalClient(platform.journal_address, token, patience_seconds=ASK_SECONDS)
    try:
        client.counts()
    finally:
        client.close()


def ask_reconciler(platform: Platform) -> str | None:
    """What it has written last. Whether it lives, its own probe tells the cluster."""
    statuses = platform.statuses.all().values()
    broken = sum(status.get("state") in ("failing", "failed") for status in statuses)
    return f"{broken} of {len(statuses)} flows are not ready" if broken else None


def ask_page(platform: Platform, part: str) -> str | None:
    """What a process says of itself."""
    answer = ask(part, platform.layout.socket(part), "GET", "/healthz", timeout_seconds=ASK_SECONDS)
    document = answer.document
    if answer.status >= 500:
        return f"it answered {answer.status}"
    if isinstance(document, dict) and document.get("status", "ok") != "ok":
        return str(document.get("reason") or document["status"])
    return None


def read_pids(platform: Platform) -> dict[str, int]:
    """What the supervisor started; nothing where there is none."""
    try:
        document = orjson.loads((platform.layout.data / "run" / "processes.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return {name: pid for name, pid in document.items() if isinstance(pid, int)} if isinstance(document, dict) else {}
