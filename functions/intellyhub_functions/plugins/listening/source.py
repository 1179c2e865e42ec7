"""A plugin's listener, seen from who listens: its process is started, its events are taken, its end is noticed."""

from __future__ import annotations

import contextlib
import select
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.source import Health, SourceContext
from intellyhub_functions.plugins.listening.document import make_surroundings
from intellyhub_functions.plugins.listening.process import Command, ListenerProcess, plain_command
from intellyhub_functions.plugins.listening.wire import TooLarge
from intellyhub_functions.plugins.plugin import InstalledPlugin, Offer

__all__ = ["PluginListen", "PluginSource"]

LOOK_SECONDS = 0.2
"""How often it is looked whether the source has to end."""
PLACE = "place"
MAX_TEXT = 500


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """What loads a listener of a plugin. Nothing of the plugin is imported here."""

    plugin: InstalledPlugin
    offer: Offer
    event_type: str
    secrets: tuple[str, ...] = ()

    def __call__(self) -> PluginListen:
        """`SourceType.load`."""
        return PluginListen(source=self)


@dataclass(frozen=True, kw_only=True)
class PluginListen:
    """`listen` of a plugin's source; `command` says how its process is started: behind which walls."""

    source: PluginSource
    command: Command = field(default=plain_command)

    def __call__(self, parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
        """Its events, one after the other. Raises StepFailed's kinds where the listener breaks."""
        with ListenerProcess(self.command, self.source.plugin, context) as process:
            process.wire.send(self._make_task(parameters, context))
            yield from Conversation(process, context, self.source.event_type).events()

    def _make_task(self, parameters: Mapping[str, Any], context: SourceContext) -> dict[str, Any]:
        """What the process is told first."""
        source, offer = self.source, self.source.offer
        document, names = make_surroundings(context)
        around = {name: names.get(name) for name in source.secrets} if offer.native else names
        return {
            "native": offer.native,
            "folder": source.plugin.folder,
            "layer": source.plugin.layer,
            "type": offer.type,
            "module": offer.module,
            "name": offer.name,
            "parameters": dict(parameters),
            "around": {name: value for name, value in around.items() if value is not None},
            "document": "" if offer.native else document,
            "flow": context.flow,
        }


class Conversation:
    """What a listener's process and its host tell each other."""

    def __init__(self, process: ListenerProcess, context: SourceContext, event_type: str) -> None:
        self._process = process
        self._context = context
        self._event_type = event_type
        self._answers: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "health": self._health,
            "load": self._load,
            "keep": self._keep,
            "failed": self._failed,
        }

    def events(self) -> Iterator[Event]:
        """Until the source has to end, which closes the process; or it ends by itself, which raises."""
        wire, stopping = self._process.wire, self._context.stopping
        while not stopping.is_set():
            message = self._next()
            if message is None:
                continue
            kind = str(message.get("kind"))
            if kind == "event":
                event = self._make_event(message)
                with self._context.replies.expect(event) as expected:
                    yield event
                    reply = expected.wait(0)
                left = reply.body if reply is not None and isinstance(reply.body, Mapping) else {}
                wire.send({"kind": "done", "number": message.get("number"), "variables": left})
            elif kind in self._answers:
                self._answers[kind](message)

    def _next(self) -> dict[str, Any] | None:
        """The next message; None where there is none yet. Its output is logged meanwhile."""
        process = self._process
        try:
            message = process.wire.take()
            if message is not None:
                return message
            poll = select.poll()
            for descriptor in process.descriptors():
                poll.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll(LOOK_SECONDS * 1000)]
            if process.output in ready:
                process.pass_output_on()
            if process.wire.end.fileno() in ready and not process.wire.feed():
                process.drain()
                raise RetryableError(f"the listener's process ended: {process.describe_end()}")
        except TooLarge as fault:
            raise PermanentError(f"the listener sent {fault}") from fault
        return None

    def _make_event(self, message: dict[str, Any]) -> Event:
        data = message.get("data")
        found = message.get("id")
        return Event(
            id=str(found)[:MAX_TEXT] if found is not None else str(uuid.uuid4()),
            source=self._context.address,
            type=self._event_type,
            subject=short(message.get("subject")),
            time=short(message.get("time")),
            data=data if isinstance(data, dict) else {"data": data},
        )

    def _health(self, message: dict[str, Any]) -> None:
        told = short(message.get("message")) or ""
        self._context.report(Health(connected=message.get("connected") is True, message=told))

    def _load(self, message: dict[str, Any]) -> None:
        value = self._context.cursors.get(PLACE)
        self._process.wire.send({"kind": "loaded", "number": message.get("number"), "value": value})

    def _keep(self, message: dict[str, Any]) -> None:
        self._context.cursors.put(PLACE, message.get("value"))
        self._process.wire.send({"kind": "kept", "number": message.get("number")})

    def _failed(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._process.drain()
        raise RetryableError(short(message.get("message")) or "the listener failed without a word")


def short(value: Any) -> str | None:
    """A text of bounded length; None for nothing."""
    return None if value is None else str(value)[:MAX_TEXT]
