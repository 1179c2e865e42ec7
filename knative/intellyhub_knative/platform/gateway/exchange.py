"""An event given to a flow until the flow has answered: whatever dies meanwhile, the same event is sent again."""

from __future__ import annotations

import asyncio
import logging

from intellyhub_engine.events import Event
from intellyhub_engine.machine.hook import Ran
from intellyhub_engine.serving.cloudevents import encode_data, make_headers
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.flow_answer import is_passing, other_version
from intellyhub_knative.platform.flow_socket import NoAnswer
from intellyhub_knative.platform.flows import Flows
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.outgoing import Outgoing

__all__ = ["Exchange"]

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.5
MAX_REMEMBERED = 10_000
RESPOND_ASYNC = (("Prefer", "respond-async"),)


class Exchange:
    """Speaks to flows."""

    def __init__(self, flows: Flows, keys: Keys) -> None:
        self._flows = flows
        self._keys = keys
        self._tokens: dict[str, str] = {}

    @property
    def holds(self) -> bool:
        """As `Flows.holds`."""
        return self._flows.holds

    async def deliver(self, deployment: Deployment, event: Event, *, begun: bool = False) -> Ran:
        """The flow's answer to the event; with `begun` as soon as its run is durable. Asks again for as long as it is
        awaited: an event's id tells the flow that it is the same one, and a run that was made is found."""
        body, content_type = encode_data(event)
        headers = [
            ("Authorization", f"Bearer {self.token(deployment.journal_name)}"),
            ("Content-Type", content_type or "application/json"),
            *make_headers(event),
            *(RESPOND_ASYNC if begun else ()),
        ]
        request = Outgoing("POST", "/", headers, body)
        version: Version | None = None
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await self._flows.ask(deployment, version, request)
            except NoAnswer as fault:
                LOG.info("the event %s goes to the flow %s again: %s", event.id, deployment.flow_id, fault)
            else:
                other = deployment.version_of(other_version(answer) or "")
                if other is not None and other is not version:
                    version = other
                elif not is_passing(answer):
                    return Ran(*answer)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def token(self, journal_name: str) -> str:
        """What the flow's workers accept."""
        found = self._tokens.get(journal_name)
        if found is None:
            found = self._keys.token(Purpose.CALLER, journal_name)
            remember(self._tokens, journal_name, found)
        return found


def remember(known: dict[str, str], key: str, value: str) -> None:
    """Keep what is made for every request of a flow, for a bounded number of flows."""
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = value
