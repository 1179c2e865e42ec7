"""Gives events to the Knative Brokers of their tenants, and asks until a Broker has taken each.

A stock Broker with the in-memory channel answers when every Trigger has finished, retries and dead letters included,
and what it has not answered for is lost when it restarts. So a post is held for as long as that may take; one without
an answer is made again, and finds the runs that the first one made. A Broker that refuses an event for good does not
stop it: the flows that it was for get it straight.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from intellyhub_knative.manifests.names import BROKER, namespace_of
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.broker.breaker import Breaker
from intellyhub_knative.platform.broker.forward_routing import as_posted, carried_flows
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.broker.letters import make_post
from intellyhub_knative.platform.broker.passage import comes_through
from intellyhub_knative.platform.broker.routing import is_sound
from intellyhub_knative.platform.broker.verdicts import Failure, Later, backoff_seconds, retry_after
from intellyhub_knative.platform.deployments import Delivery, Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.flow_answer import Answer, is_repeated
from intellyhub_knative.platform.flow_socket import NoAnswer, TooLate
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.knative import Knative
from intellyhub_knative.platform.outbox import Due, Outcome, Settlement, Unrouted
from intellyhub_knative.platform.outgoing import Outgoing, fetch, open_session
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Forwarding", "again"]

MAX_ANSWER_BYTES = 64 << 10
"""A Broker's answers are empty."""
LEAST_HELD_SECONDS = 600.0
"""For a post: who else than our flows takes its event, and how long that may take, is not known here."""
MOST_HELD_SECONDS = 7200.0
SINK_SECONDS = 60.0
"""For the dead letter at the end, with its retries."""
UNKNOWN_SECONDS = 60.0
"""How long a tenant's record may be on its way to this process."""
AGAIN = Delivery(retry=0, backoff_delay_seconds=0.5, max_backoff_seconds=300.0)
"""How a post is repeated: for ever."""


class Said(NamedTuple):
    """What a post came to: an answer, or why there was none."""

    answer: Answer | None
    fault: str = ""
    away: bool = False
    """The Broker is not there, or cannot take events now: the next one would fare no better."""


class Forwarding:
    """Makes attempts. Within an event loop."""

    def __init__(
        self,
        *,
        knative: Knative,
        keys: Keys,
        journal: BrokerJournal,
        desired: Desired,
        stands: Callable[[Deployment], bool],
    ) -> None:
        self.stands = stands
        self._knative = knative
        self._keys = keys
        self._journal = journal
        self._desired = desired
        self._session = open_session()
        self._breakers: dict[str, Breaker] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    @property
    def away(self) -> list[str]:
        """The tenants (ids) whose Broker takes nothing at the moment."""
        return [tenant_id for tenant_id, breaker in self._breakers.items() if breaker.failures]

    async def make(self, due: Due) -> Settlement | Later:
        """Post the event; flows of which it is not known that they get it from the Broker get it straight."""
        tenant = self._desired.tenants.get(due.tenant_id)
        if tenant is None:
            if time.time_ns() - due.accepted_ns < UNKNOWN_SECONDS * 1e9:
                return Later(1.0, Failure("its tenant is not known yet"))
            return Settlement(due.delivery_id, Outcome.DEAD, error="its tenant is not known: it was deleted")
        carried = self._carried(due)
        event = comes_through(due.event)
        missed = [flow for flow in carried if event is None or not self.stands(flow)]
        await self._hand_over(due, missed)
        address = due.event.extensions.get(ADDRESS)
        if address and not carried:
            error = f"the tenant has no flow {address[:64]!r}: it was deleted, or never deployed"
            return Settlement(due.delivery_id, Outcome.DEAD, error=error)
        if event is None or (address and len(missed) == len(carried)):
            return Settlement(due.delivery_id, Outcome.DELIVERED)
        event = as_posted(Unrouted(0, due.tenant_id, event, due.hops), self._desired).event
        said = await self._breaker(due.tenant_id).pass_through(
            lambda: self._post(due._replace(event=event), tenant, carried), lambda each: each.away
        )
        return await self._judge(said, due, carried)

    def _carried(self, due: Due) -> list[Deployment]:
        """The flows whose Triggers take the event, as things are now."""
        unrouted = Unrouted(0, due.tenant_id, due.event, due.hops)
        sound = {flow.flow_id for flow in self._desired.of_tenant(due.tenant_id) if is_sound(flow)}
        return carried_flows(unrouted, self._desired, sound)

    async def _hand_over(self, due: Due, flows: Sequence[Deployment]) -> None:
        """Make a delivery straight to each of these flows, unless it has one."""
        for flow in flows:
            await self._journal.bury(due.tenant_id, flow.flow_id, due.event, hops=due.hops, again=True)

    async def _post(self, due: Due, tenant: Tenant, carried: Sequence[Deployment]) -> Said:
        key = self._keys.token(Purpose.DELIVERY, due.tenant_id).encode()
        letter = make_post(due, key, time.time())
        url = self._knative.broker_url.format(namespace=namespace_of(tenant), broker=BROKER)
        request = Outgoing("POST", "", tuple(letter.headers.items()), letter.body)
        try:
            answer = await fetch(
                self._session, url, request, timeout_seconds=held_seconds(carried), max_bytes=MAX_ANSWER_BYTES
            )
        except TooLate as fault:
            return Said(None, str(fault))
        except NoAnswer as fault:
            return Said(None, str(fault), away=True)
        return Said(answer, away=answer.status == 404 or answer.status >= 500)

    async def _judge(self, said: Said, due: Due, carried: Sequence[Deployment]) -> Settlement:
        answer = said.answer
        if answer is None:
            return again(due, None, f"the Broker did not answer: {said.fault}")
        if 200 <= answer.status < 300:
            return Settlement(due.delivery_id, Outcome.DELIVERED, code=answer.status)
        if is_repeated(answer.status):  # 404: the Broker is not there yet
            seconds = retry_after(answer.headers, time.time_ns())
            return again(due, answer.status, f"the Broker answered {answer.status}", seconds)
        error = f"the Broker refused the event ({answer.status})"
        if not carried:
            return Settlement(due.delivery_id, Outcome.DEAD, code=answer.status, error=error)
        await self._hand_over(due, carried)
        told = f"{error}; its flows get it straight"
        return Settlement(due.delivery_id, Outcome.DELIVERED, code=answer.status, error=told)

    def _breaker(self, tenant_id: str) -> Breaker:
        if tenant_id not in self._breakers:
            known = self._desired.tenants
            self._breakers = {each: one for each, one in self._breakers.items() if each in known}
            self._breakers[tenant_id] = Breaker()
        return self._breakers[tenant_id]


def again(due: Due, code: int | None, error: str, least_seconds: float = 0.0) -> Settlement:
    """Another post, later. Never the last one: the outbox keeps the event until a Broker has taken it."""
    seconds = max(backoff_seconds(AGAIN, due.attempt) * random.uniform(1.0, 1.1), least_seconds)
    again_ns = time.time_ns() + int(seconds * 1e9)
    return Settlement(due.delivery_id, Outcome.RETRY, again_ns=again_ns, code=code, error=error)


def held_seconds(flows: Sequence[Deployment]) -> float:
    """How long a Broker may take for an event: all attempts of the slowest flow, the waits between them, and the dead
    letter. Less would cut them off each time, and no attempt would ever be the last."""
    longest = max((all_attempts_seconds(flow.delivery) for flow in flows), default=0.0)
    return min(max(longest + SINK_SECONDS, LEAST_HELD_SECONDS), MOST_HELD_SECONDS)


def all_attempts_seconds(policy: Delivery) -> float:
    """What a delivery to one flow can take in all."""
    waits = sum(backoff_seconds(policy, attempt) for attempt in range(1, policy.retry + 1))
    return policy.timeout_seconds * (policy.retry + 1) + waits
