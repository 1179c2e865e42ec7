"""A publication on a cluster, followed until the flow is ready: its build, then its revision."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from intellyhub_control_plane.cli.client import part
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.session import Session

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["follow_build", "follow_deployment"]

BUILD_SECONDS = 900.0
QUEUE_SECONDS = 15.0
READY_SECONDS = 300.0
LOOK_SECONDS = 0.5
OPEN = ("queued", "running")


def follow_deployment(session: Session, client: Client, flow: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The flow as it is when its version is ready. Raises `CommandFailed` where it will not be."""
    if not flow["active"]:
        raise CommandFailed(f"the flow {flow['slug']} is switched off, and nothing of it runs", Exit.FAILED)
    if flow.get("deployment") is None and not find_build(client, flow):
        raise CommandFailed(
            f"{client.url} is no platform on a cluster: it has published the flow and runs it itself", Exit.INVALID
        )
    build = await_build(client, flow)
    if build is not None:
        ended = follow_build(session, client, build, quiet=quiet)
        if ended["status"] != "succeeded":
            raise CommandFailed(
                f"the build of {flow['slug']} version {flow['version']} {ended['status']}: {ended['message']}",
                Exit.FAILED,
            )
    return await_ready(session, client, flow, quiet=quiet)


def find_build(client: Client, flow: dict[str, Any]) -> dict[str, Any] | None:
    """The newest build of the version for the platform."""
    found = client.get(f"/api/flows/{part(flow['id'])}/builds", limit=10)["items"]
    return next((each for each in found if each["version"] == flow["version"] and not each["target"]), None)


def await_build(client: Client, flow: dict[str, Any]) -> dict[str, Any] | None:
    """The build, as soon as there is one; None where the version has its image already."""
    deadline = time.monotonic() + QUEUE_SECONDS
    while (build := find_build(client, flow)) is None and time.monotonic() < deadline:
        state = (client.get(f"/api/flows/{part(flow['id'])}").get("deployment") or {}).get("state")
        if state not in (None, "building"):
            return None
        time.sleep(LOOK_SECONDS)
    return build


def follow_build(session: Session, client: Client, build: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Show what a build says until it is over; the build as it is then. Raises `CommandFailed`."""
    path, last = f"/api/builds/{part(build['id'])}", ""
    deadline = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < deadline:
        try:
            for frame in client.stream(f"{path}/log", last_id=last, follow="true"):
                last = frame.id or last
                if frame.event == "line" and not quiet:
                    session.terminal.tell((f"  {frame.data['text']}", "dim"))
                if frame.event == "done":
                    break
        except ConnectionError:
            time.sleep(LOOK_SECONDS)
        found: dict[str, Any] = client.get(path)
        if found["status"] not in OPEN:
            return found
    raise CommandFailed(f"the build {build['id']} is not over after {BUILD_SECONDS:g} s; it goes on", Exit.BUSY)


def await_ready(session: Session, client: Client, flow: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The flow, when the cluster has its version. Raises `CommandFailed`."""
    deadline, said = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(f"/api/flows/{part(flow['id'])}")
        status = found.get("deployment") or {}
        state, message = str(status.get("state") or "building"), str(status.get("message") or "")
        if state == "ready" and found["version"] == flow["version"]:
            if not quiet:
                session.terminal.tell((session.terminal.glyph("✓ ", "+ "), "green"), "ready")
            return found
        if state == "failed":
            raise CommandFailed(f"{flow['slug']} does not get ready: {message}", Exit.FAILED)
        if not quiet and f"{state} {message}" != said:
            said = f"{state} {message}"
            session.terminal.tell((f"  {said}", "dim"))
        time.sleep(LOOK_SECONDS)
    raise CommandFailed(f"{flow['slug']} is not ready after {READY_SECONDS:g} s: {said}", Exit.BUSY)
