"""`intellyhub logs`: what flows say, as it was or as it happens."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.client import part
from intellyhub_control_plane.cli.connection import connect, platform_options
from intellyhub_control_plane.cli.words import clock_text
from intellyhub_engine.cli.exits import CommandFailed, Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session

if TYPE_CHECKING:
    from intellyhub_control_plane.cli.client import Client

__all__ = ["command"]

LEVELS = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red", "critical": "bold red"}
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
OPENING_SECONDS = 5.0
"""A stream that has not begun after so long does not keep the last lines from being shown."""
MILLISECONDS = len("2026-01-02T03:04:05.006")


@click.command("logs")
@click.argument("flow", metavar="[FLOW]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on showing lines as they come, until Ctrl-C.")
@click.option(
    "--limit", "-n", default=100, show_default=True, metavar="N", type=click.IntRange(1, 1000), help="The last N lines."
)
@json_option
@platform_options
@debug_option
@pass_session
def command(
    session: Session, flow: str | None, follow: bool, limit: int, as_json: bool, url: str | None, token: str | None
) -> int:
    """Show the last lines that FLOW logged, or all flows; with -f then go on. With --json one object on a line.

    \b
    Examples:
      intellyhub logs hello
      intellyhub logs -f
      intellyhub logs refund -n 1000 --json | jq -r 'select(.level == "error").message'
    """
    client = connect(url, token)
    slugs = [flow] if flow else [each["slug"] for each in client.pages("/api/flows")]
    shown = Shown(session, name=flow is None, as_json=as_json)
    if not follow:
        for slug, line in last_lines(client, slugs, limit):
            shown.show(slug, line)
        return Exit.SUCCEEDED
    for slug, line in follow_all(client, slugs, limit):
        shown.show(slug, line)
    return Exit.SUCCEEDED


class Shown:
    """How lines look."""

    def __init__(self, session: Session, *, name: bool, as_json: bool) -> None:
        self._terminal = session.terminal
        self._name = name
        self._as_json = as_json

    def show(self, slug: str, line: dict[str, Any]) -> None:
        """One line: time, flow where there are several, level, message."""
        terminal = self._terminal
        if self._as_json:
            terminal.emit_json({"flow": slug, **line}, pretty=False)
        elif terminal.interactive:
            name = (f"{slug:<16} ", "cyan") if self._name else ""
            terminal.show((f"{clock_text(line['at'])} ", "dim"), name, (line["message"], LEVELS.get(line["level"], "")))
        else:
            message = " ".join(line["message"].split())
            terminal.show("\t".join([line["at"], slug, line["run_id"], line["level"], message]))


def last_lines(client: Client, slugs: list[str], limit: int) -> list[tuple[str, dict[str, Any]]]:
    """The last lines of all of them together, in order of time."""
    lines = [
        (slug, line) for slug in slugs for line in client.get(f"/api/flows/{part(slug)}/logs", limit=limit)["items"]
    ]
    return sorted(lines, key=lambda pair: pair[1]["at"])[-limit:]


def follow_all(client: Client, slugs: list[str], limit: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The last lines, then lines as they come, each flow in a thread of its own. A fault of one ends all."""
    heard: queue.SimpleQueue[tuple[str, dict[str, Any]] | BaseException] = queue.SimpleQueue()
    listening = threading.Semaphore(0)

    def listen(slug: str) -> None:
        try:
            for line in follow_one(client, slug, listening.release):
                heard.put((slug, line))
        except BaseException as fault:  # noqa: BLE001 - raised again where somebody sees it
            heard.put(fault)
        finally:
            listening.release()

    for slug in slugs:
        threading.Thread(target=listen, args=(slug,), daemon=True).start()
    for _ in slugs:  # who looks back only when it listens misses no line between the two
        listening.acquire(timeout=OPENING_SECONDS)
    last = last_lines(client, slugs, limit)
    yield from last
    told = {identity_of(slug, line) for slug, line in last}
    while slugs:
        found = heard.get()
        if isinstance(found, BaseException):
            raise found
        if identity_of(*found) not in told:
            yield found


def identity_of(slug: str, line: dict[str, Any]) -> tuple[str, str, str, str]:
    """What tells a line from others, however exactly its time is given."""
    return slug, line["run_id"], line["at"].rstrip("Z")[:MILLISECONDS], line["message"]


def follow_one(client: Client, slug: str, opened: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """A flow's lines, going on where a stream broke off; `opened` is called each time one begins."""
    last, pause, heard = "", FIRST_PAUSE_SECONDS, False
    while True:
        try:
            for frame in client.stream(f"/api/flows/{part(slug)}/logs", last_id=last, opened=opened, follow="true"):
                last, pause, heard = frame.id or last, FIRST_PAUSE_SECONDS, True
                if frame.event == "log":
                    yield frame.data
        except ConnectionError:
            heard = True  # the gateway was started again; what was missed comes with the next stream
        except CommandFailed as fault:
            if not heard or fault.code is not Exit.BUSY:
                raise
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
