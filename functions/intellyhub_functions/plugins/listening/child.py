"""The process in which a plugin listens: it loads the code, listens, and hands over what comes."""

from __future__ import annotations

import itertools
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from intellyhub_engine.blocks.limits import Limits
from intellyhub_engine.blocks.python import prepare_streams
from intellyhub_engine.blocks.walls import die_with_parent, forbid_new_privileges, set_limits
from intellyhub_engine.errors import ValueRefused
from intellyhub_functions.plugins.listening.wire import Wire
from intellyhub_functions.plugins.running.safe_logger import speak, write
from intellyhub_functions.plugins.running.settling import settled
from intellyhub_functions.plugins.running.states import message_of, texts_of

__all__ = ["Host", "listen", "main"]

LIMITS = Limits(cpu_seconds=None)
EXIT_FAILED = 1
ENDING = "the listener has to end"


def main(descriptor: int) -> NoReturn:
    """Listen behind limits only."""
    die_with_parent()
    forbid_new_privileges()
    set_limits(LIMITS)
    workspace = Path(os.environ.get("HOME", "/"))
    os.chdir(workspace)
    listen(descriptor)


def listen(descriptor: int) -> NoReturn:
    """Listen to what the host at the other end of the descriptor says. Ends the process."""
    code = EXIT_FAILED
    prepare_streams()
    host = Host(Wire(socket.socket(fileno=descriptor)))
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task: dict[str, Any] = {}
    try:
        task = host.wire.receive() or {}
        speak()
        os.environ.update(texts_of(task["around"]))
        threading.Thread(target=host.hear, daemon=True).start()
        (listen_natively if task["native"] else listen_as_published)(task, host)
        join_threads()
        host.tell({"kind": "failed", "message": "the listener ended by itself"})
    except BaseException as fault:  # noqa: BLE001 - the edge of the process: whatever the plugin raises is told
        if not host.stopping.is_set():
            host.tell({"kind": "failed", "message": message_of(fault, str(task.get("folder", "")))})
    finally:
        sys.stdout.flush()
        os._exit(code)


class Host:
    """The other end: takes events, keeps the place. Used by whatever threads the plugin has."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message, and wait for its answer. Raises ConnectionError when the host is gone."""
        number = next(self._numbers)
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            if self.stopping.is_set():  # nobody hears answers any more
                raise ConnectionError(ENDING)
            self._waiting[number] = answers
            self.wire.send({**message, "number": number})
        answer = answers.get()
        if answer.get("kind") == "stop":
            raise ConnectionError(ENDING)
        return answer

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message that has no answer."""
        try:
            with self._lock:
                self.wire.send(message)
        except OSError:  # the host is gone, and so is this process in a moment
            return

    def send(self, data: Mapping[str, Any], **facts: Any) -> Mapping[str, Any]:
        """Hand over an event; returns when it is safe, with what its run left."""
        kept: dict[str, Any] = {}
        for name, value in data.items():
            try:
                kept[str(name)] = settled(value)
            except ValueRefused as why:
                write("warning", f"{name} is not part of the event: {why}")
        answer = self.ask({"kind": "event", "data": kept, **facts})
        left = answer.get("variables")
        return left if isinstance(left, dict) else {}

    def hear(self) -> None:
        """Hand answers to those who wait for them, until the host is gone or says stop."""
        while (message := self.wire.receive()) is not None and message.get("kind") != "stop":
            number = message.get("number")
            with self._lock:
                waiting = self._waiting.pop(number, None) if isinstance(number, int) else None
            if waiting is not None:
                waiting.put(message)
        with self._lock:
            self.stopping.set()
            for waiting in self._waiting.values():
                waiting.put({"kind": "stop"})


def listen_natively(task: dict[str, Any], host: Host) -> None:
    """A generator written with `intellyhub`."""
    from intellyhub.calling import bind, iterate
    from intellyhub.context import SourceContext
    from intellyhub.outcomes import Event
    from intellyhub_functions.plugins.running.loading import find_function, open_plugin

    open_plugin(task["folder"], task["layer"], native=True)
    function = find_function(task["folder"], task["module"], task["name"])
    context = SourceContext(
        flow=task["flow"],
        workspace=Path.cwd(),
        secrets=texts_of(task["around"]),
        log=write,
        stopping=host.stopping,
        load_place=lambda: host.ask({"kind": "load"}).get("value"),
        keep_place=lambda value: forget(host.ask({"kind": "keep", "value": settled(value)})),
        tell_health=lambda connected, message: host.tell(
            {"kind": "health", "connected": connected, "message": message}
        ),
    )
    signal.signal(signal.SIGTERM, lambda number, frame: host.stopping.set())
    host.tell({"kind": "health", "connected": True, "message": ""})
    for found in iterate(function, bind(function, task["parameters"], context)):
        event = found if isinstance(found, Event) else Event(found)
        host.send(as_mapping(event.data), id=event.id, subject=event.subject, time=event.time)


def as_mapping(data: Any) -> Mapping[str, Any]:
    """An event's data: a mapping, or an object with fields."""
    kept = settled(data)
    return kept if isinstance(kept, Mapping) else {"data": kept}


def forget(answer: dict[str, Any]) -> None:
    """What is kept has no answer of interest."""


def listen_as_published(task: dict[str, Any], host: Host) -> None:
    """A class of the published interface: given the flow's path, it starts a `FlowDiagram` for each event."""
    from intellyhub_functions.plugins.running.flow_diagram import Door
    from intellyhub_functions.plugins.running.formatting import keep
    from intellyhub_functions.plugins.running.listener_class import SURROUNDINGS
    from intellyhub_functions.plugins.running.loading import find_class, open_plugin

    config = {"type": task["type"], "listener_type": task["type"], **task["parameters"]}
    keep(config)
    SURROUNDINGS.update(task["around"])
    Door.send = host.send
    open_plugin(task["folder"], task["layer"], native=False)
    kind: Any = find_class(task["folder"], task["module"], task["name"], task["type"], listener=True)
    listener = kind(config, dict(task["around"]))
    setup = getattr(listener, "setup", None)
    if callable(setup):
        setup()
    signal.signal(signal.SIGTERM, lambda number, frame: stop(listener))
    host.tell({"kind": "health", "connected": True, "message": ""})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flow.yaml"
        path.write_text(task["document"], encoding="utf-8")
        listener.listen(str(path))


def stop(listener: Any) -> NoReturn:
    """What SIGTERM does: the listener may tidy up, then all is over."""
    try:
        listener.stop()
    finally:
        os._exit(0)


def join_threads() -> None:
    """Some listeners return and go on in threads of their own."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
