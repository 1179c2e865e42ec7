"""A TCP proxy on loopback that can fail in the ways networks do: refuse, cut, or go silent half-way."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

__all__ = ["Proxy"]

LOOK_SECONDS = 0.02
CHUNK_BYTES = 65536


class Proxy:
    """Forwards to `target`, an address or a unix socket's path, while its context lasts."""

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        """Connections so far."""
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._running = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._running.set()
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._running.clear()
        self.cut()
        self._thread.join()
        self._listener.close()

    def freeze(self) -> None:
        """From now on nothing is forwarded, and nothing is closed: half-open, as after a lost route."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again: connections made from now on, and those that were silent."""
        self._flowing.set()

    def refuse(self) -> None:
        """The server is gone: connections end, new ones end at once."""
        self._refusing.set()
        self.cut()

    def accept(self) -> None:
        """The server is back."""
        self._refusing.clear()

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """The server is gone while this lasts."""
        self.refuse()
        try:
            yield
        finally:
            self.accept()

    def _serve(self) -> None:
        self._listener.settimeout(LOOK_SECONDS)
        while self._running.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.accepted += 1
            if self._refusing.is_set():
                client.close()
                continue
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        client.settimeout(None)
        with client, self._connect() as server:
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            with contextlib.suppress(OSError):
                self._copy(client, server)
            with self._lock:
                self._pairs.discard(pair)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, Path):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._target))
            return server
        return socket.create_connection(self._target)

    def _copy(self, client: socket.socket, server: socket.socket) -> None:
        """Copy both ways until one end closes."""
        others = {client: server, server: client}
        with selectors.DefaultSelector() as selector:
            for one in others:
                selector.register(one, selectors.EVENT_READ, one)
            while self._running.is_set():
                if not self._flowing.wait(LOOK_SECONDS):
                    continue
                for key, _ in selector.select(LOOK_SECONDS):
                    end: socket.socket = key.data
                    piece = end.recv(CHUNK_BYTES)
                    self._flowing.wait()
                    if not piece:
                        return
                    others[end].sendall(piece)
