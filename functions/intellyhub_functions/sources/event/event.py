"""The `event` source: what other flows emit and what programs post. On a platform the broker brings it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import SourceContext

__all__ = ["listen"]


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """There is nothing to ask: the tenant's broker delivers what passes the filters, once the flow is published."""
    raise PermanentError(
        "the events of an event listener come from the broker of a platform: publish the flow (`intellyhub up`,"
        " `intellyhub deploy`), or run it once with --event FILE"
    )
