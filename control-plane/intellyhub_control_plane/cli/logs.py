"""`intellyhub logs`: what flows say, as it was or as it happens."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
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
    """Show the last lines that FLOW logged, or all flows. With --json one object on a line.

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
        for slug, line in sorted(fetch(client, slugs, limit), key=lambda pair: pair[1]["at"])[-limit:]:
            shown.show(slug, line)
        return Exit.SUCCEEDED
    for slug, line in follow_all(client, slugs):
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
            from intellyhub_engine.cli.answer import make_json

            terminal.emit_json(make_json({"flow": slug, **line}, pretty=False))
        elif terminal.interactive:
            name = (f"{slug:<16} ", "cyan") if self._name else ""
            terminal.show((f"{clock_text(line['at'])} ", "dim"), name, (line["message"], LEVELS.get(line["level"], "")))
        else:
            message = " ".join(line["message"].split())
            terminal.show("\t".join([line["at"], slug, line["run_id"], line["level"], message]))


def fetch(client: Client, slugs: list[str], limit: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The last lines of each."""
    for slug in slugs:
        for line in client.get(f"/api/flows/{part(slug)}/logs", limit=limit)["items"]:
            yield slug, line


def follow_all(client: Client, slugs: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines as they come, each flow in a thread of its own. A fault of one ends all."""
    heard: queue.SimpleQueue[tuple[str, dict[str, Any]] | BaseException] = queue.SimpleQueue()

    def listen(slug: str) -> None:
        try:
            for line in follow_one(client, slug):
                heard.put((slug, line))
        except BaseException as fault:  # noqa: BLE001 - raised again where somebody sees it
            heard.put(fault)

    for slug in slugs:
        threading.Thread(target=listen, args=(slug,), daemon=True).start()
    while slugs:
        found = heard.get()
        if isinstance(found, BaseException):
            raise found
        yield found


def follow_one(client: Client, slug: str) -> Iterator[dict[str, Any]]:
    """A flow's lines, going on where a stream broke off."""
    last, pause, heard = "", FIRST_PAUSE_SECONDS, False
    while True:
        try:
            for frame in client.stream(f"/api/flows/{part(slug)}/logs", last_id=last, follow="true"):
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
