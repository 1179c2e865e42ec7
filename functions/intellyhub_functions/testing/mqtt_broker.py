"""Real MQTT brokers on loopback: amqtt in a thread (MQTT 3.1.1), and mosquitto (5, too) where the machine has it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from amqtt.broker import Broker

from intellyhub_functions.testing.certificates import Certificate
from intellyhub_functions.testing.loop import LoopThread
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.surroundings import await_that

__all__ = ["NEEDS_MOSQUITTO", "AmqttBroker", "Mosquitto"]

START_SECONDS = 10.0
SETTLE_SECONDS = 0.05
NAMED = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}}
"""Takes whoever says a user name: it keeps no messages for clients that have none."""


class Closing(Broker):  # type: ignore[misc]  # amqtt publishes no annotations
    """amqtt, which leaves some connections open; here they end with it."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        super().__init__(dict(configuration))
        self._taken: list[asyncio.StreamWriter] = []

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Take a connection, and note it."""
        self._taken.append(writer)
        await super().stream_connected(reader, writer, listener_name)

    async def shutdown(self) -> None:
        """End every connection."""
        self._abort()
        await asyncio.sleep(0)
        await super().shutdown()
        await asyncio.sleep(SETTLE_SECONDS)  # a connection that was taken just now becomes one
        self._abort()
        await asyncio.sleep(0)

    def has_listeners(self) -> bool:
        """Whether a session that is kept has a connection."""
        return any(
            session.transitions.is_connected() and not session.clean_session for session, _ in self._sessions.values()
        )

    def _abort(self) -> None:
        for writer in self._taken:
            writer.transport.abort()
        self._taken.clear()


class AmqttBroker:
    """Serves while its context lasts, on one port; `stop` forgets every session."""

    version = "3.1.1"

    def __init__(self, plugins: Mapping[str, Any] = NAMED) -> None:
        self.port = free_port()
        self._plugins = plugins
        self._thread = LoopThread()
        self._broker: Closing | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.stop()
        self._thread.close()

    def start(self) -> None:
        """Take connections."""
        self._thread.call(self._start())

    def stop(self) -> None:
        """Take none, and end those that there are."""
        if self._broker is not None:
            self._thread.call(self._broker.shutdown())
            self._broker = None

    def await_leave(self) -> None:
        """Wait until every client but senders has left: what comes in between, amqtt loses."""
        await_that(lambda: self._broker is None or not self._broker.has_listeners())

    async def _start(self) -> None:
        listener = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        self._broker = Closing({"listeners": {"default": listener}, "plugins": self._plugins})
        await self._broker.start()


class Mosquitto:
    """The same with Eclipse Mosquitto, in a process of its own; its sessions outlive `stop`."""

    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    """None where the machine has none."""

    def __init__(
        self, folder: Path, *, certificate: Certificate | None = None, users: str = "", more: str = ""
    ) -> None:
        self.port = free_port()
        self.version = "3.1.1"
        """What a test speaks with it; it knows both."""
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if users else 'true'}",
            "persistence true",
            f"persistence_location {folder}/",
            more,
        ]
        if os.getuid() == 0:  # else it would go on as a user who may not read these files
            lines.append("user root")
        if certificate is not None:
            lines += [f"certfile {certificate.certificate}", f"keyfile {certificate.key}"]
        if users:
            (folder / "users").write_text(users)
            (folder / "users").chmod(0o600)
            lines.append(f"password_file {folder / 'users'}")
        self._configuration.write_text("\n".join(lines) + "\n")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.stop()

    def await_leave(self) -> None:
        """Nothing to wait for: mosquitto keeps what comes in between."""

    def start(self) -> None:
        """Take connections."""
        assert self.program is not None
        self._process = subprocess.Popen(
            [self.program, "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        """End it in order: it writes its sessions down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None


NEEDS_MOSQUITTO = pytest.mark.skipif(
    Mosquitto.program is None, reason="mosquitto is not installed (Debian: apt install mosquitto)"
)
