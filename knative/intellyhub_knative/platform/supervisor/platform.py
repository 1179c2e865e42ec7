"""A platform from its folder to its end: what `intellyhub up` does, without the terminal."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.service import LOG_LEVEL, read_level
from intellyhub_knative.platform.supervisor.child import Inheritance
from intellyhub_knative.platform.supervisor.folder import hold_folder
from intellyhub_knative.platform.supervisor.logbook import Line, Logbook
from intellyhub_knative.platform.supervisor.services import SERVICES, Service
from intellyhub_knative.platform.supervisor.sockets import HTTP, open_sockets
from intellyhub_knative.platform.supervisor.supervisor import Progress, Supervisor

__all__ = ["Options", "Started", "View", "run_platform"]

REGISTRATION = "INTELLYHUB_REGISTRATION"
"""Variable: who may make an account. Unless the person says so, strangers may not where others reach the port."""
MOST_FILES = 65_536
"""Descriptors: each idle flow costs the activator one."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person chooses."""

    data: Path
    host: str
    port: int
    """0 takes a free one."""
    verbose: bool = False


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a person is told once everything works."""

    url: str
    layout: Layout
    facts: Mapping[str, Any]


class View(Protocol):
    """Shows what happens."""

    def line(self, line: Line) -> None:
        """A line of a process."""

    def progress(self, progress: Progress) -> None:
        """A process starts, or is ready for the first time."""

    def started(self, started: Started) -> None:
        """Everything works."""

    def stopping(self) -> None:
        """It was told to stop."""


def run_platform(
    options: Options, view: View, environment: Mapping[str, str], services: Sequence[Service] = SERVICES
) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP; a second one ends everything at once. Raises `FolderInUse`, `PortTaken`,
    `StartFailed`, `InputInvalid`, `OSError`."""
    read_level(environment)
    url = make_url(options.host, options.port)
    with hold_folder(options.data, address=url) as hold:
        layout = hold.layout
        names = [name for service in services for name in service.sockets]
        with open_sockets(layout, names, host=options.host, port=options.port) as sockets:
            url = make_url(options.host, sockets[HTTP].getsockname()[1])
            hold.announce(url)
            raise_file_limit()
            settings = {
                LOG_LEVEL: "debug" if options.verbose else "info",
                REGISTRATION: "open" if is_private(sockets[HTTP]) else "closed",
            }
            inheritance = Inheritance(
                data=os.fspath(layout.data),
                environment={**settings, **environment},
                sockets=sockets,
                lock=hold.shared,
            )
            logbook = Logbook(layout.logs / "platform.log", view.line)
            try:
                asyncio.run(supervise(layout, services, inheritance, logbook, view, url))
            finally:
                logbook.close()


async def supervise(
    layout: Layout, services: Sequence[Service], inheritance: Inheritance, logbook: Logbook, view: View, url: str
) -> None:
    """Run the supervisor under the signals of this process."""
    supervisor = Supervisor(
        layout=layout,
        services=services,
        inheritance=inheritance,
        logbook=logbook,
        progress=view.progress,
        pid=os.getpid(),
    )
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            supervisor.hurry()
        else:
            stop.set()
            view.stopping()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    logbook.note(f"starting on {layout.data}, {url}")
    await supervisor.run(stop, lambda facts: view.started(Started(url=url, layout=layout, facts=facts)))
    logbook.note("stopped")


def is_private(listener: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def make_url(host: str, port: int) -> str:
    """The address as a person on this machine types it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - it is replaced
    return f"http://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{port}"


def raise_file_limit() -> None:
    """Open as many files as the system allows to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
