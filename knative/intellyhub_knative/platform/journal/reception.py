"""Where clients of the journal service come in, whether there is a database behind it at the moment or not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_knative.platform.journal.access import Scope, recognise
from intellyhub_knative.platform.journal.connection import Connection
from intellyhub_knative.platform.journal.house import House
from intellyhub_knative.platform.keys import Keys

if TYPE_CHECKING:
    from intellyhub_knative.platform.deployments import Deployment
    from intellyhub_knative.platform.desired import Desired
    from intellyhub_knative.platform.pod_tokens import Pod, PodTokens

__all__ = ["NotNow", "Reception"]

REREAD_SECONDS = 0.5
"""At least so long between two looks at what is deployed for the sake of an unknown pod."""


MOST_CONNECTIONS = 1000
"""Of one flow; its pods have a few each. What one flow takes, the others would lack."""


class NotNow(Exception):
    """Nobody can be let in at the moment: ask again."""


class Reception:
    """Knows tokens, and the house as long as there is one."""

    def __init__(
        self,
        keys: Keys,
        *,
        pods: PodTokens | None = None,
        desired: Desired | None = None,
    ) -> None:
        self._keys = keys
        self._pods = pods
        self._desired = desired
        self._read_at = float("-inf")
        self.house: House | None = None
        self.refused = 0
        """Tokens that were not accepted."""

    async def follow(self) -> None:
        """Follow what is deployed, on a cluster: the connections of flows that went end. Until cancelled."""
        if self._desired is not None:
            await self._desired.watch(self._send_away)

    def _send_away(self) -> None:
        assert self._desired is not None
        if self.house is not None:
            self.house.send_away({one.journal_name for one in self._desired.deployments.values()})

    def make_connection(self) -> asyncio.BaseProtocol:
        """For who comes by the unix socket, and greets."""
        return TurnedAway() if self.house is None else Connection(self.house)

    async def admit(self, token: str) -> tuple[House, Scope, float | None]:
        """What a token of a header is good for, and for how many seconds (None: for ever). Raises `JournalUnwritable`
        for one that is good for nothing, `NotNow`."""
        try:
            scope, seconds = await self._recognise(token)
        except JournalUnwritable:
            self.refused += 1
            raise
        if self.house is None:
            raise NotNow("the journal has no database at the moment")
        if scope.flow is not None and self.house.count(scope.flow) >= MOST_CONNECTIONS:
            raise NotNow(f"the flow has {MOST_CONNECTIONS} connections to the journal, as many as it may")
        return self.house, scope, seconds

    async def _recognise(self, token: str) -> tuple[Scope, float | None]:
        if self._pods is None or self._desired is None or token.count(".") != 2:
            return recognise(token, self._keys), None
        from intellyhub_knative.platform.pod_tokens import KeysUnavailable, TokenRefused

        try:
            pod = await self._pods.read_async(token)
        except TokenRefused as fault:
            raise JournalUnwritable(str(fault)) from fault
        except KeysUnavailable as fault:
            raise NotNow(str(fault)) from fault
        return Scope(self._flow_of(pod, self._desired).journal_name), max(pod.expires_at - time.time(), 0.0)

    def _flow_of(self, pod: Pod, desired: Desired) -> Deployment:
        """A pod may be here before the record of its flow: whoever is unknown asks again for a while."""
        found = pod.find(desired.deployments.values())
        if found is None and time.monotonic() - self._read_at > REREAD_SECONDS:
            desired.read()
            self._read_at = time.monotonic()
            found = pod.find(desired.deployments.values())
        if found is None:
            raise NotNow(f"{pod.user} is the account of no flow that is deployed")
        return found


class TurnedAway(asyncio.Protocol):
    """Who comes while there is no database: clients come again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close."""
        transport.close()
