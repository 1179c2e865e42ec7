"""A listening source whose events are answered, for tests of what callers hear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Health, Reply
from intellyhub_functions.testing.surroundings import Listening, await_that, make_context

__all__ = ["Answering"]


class Answering:
    """Listens at `url` on a free port; each event is kept, and answered by `reply` in a consumer's thread."""

    def __init__(self, listen: Callable[..., Any], folder: Path, **parameters: Any) -> None:
        self.health: list[Health] = []
        self.context = make_context(folder, report=self.health.append)
        self.source = Listening(listen({"port": 0, **parameters}, self.context), self.context, self.consume)
        self.events: list[Event] = []
        self.reply: Reply | None = Reply(body={"answer": 42})
        self.url = ""

    def __enter__(self) -> Self:
        self.source.__enter__()
        await_that(lambda: self.health)
        self.url = self.health[0].address or ""
        return self

    def __exit__(self, *fault: object) -> None:
        self.source.__exit__(*fault)

    def consume(self, event: Event) -> None:
        """Keep it and answer it."""
        self.events.append(event)
        if self.reply is not None:
            self.context.replies.give(event, self.reply)
