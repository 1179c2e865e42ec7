"""A tick: what a PingSource says to the poller, made by the one who orders it and checked by the one who gets it.

Gateways do not separate tenants, and a PingSource cannot sign. So each flow's ticks carry a word of their own as an
extension attribute, derived from the platform's key: it stands in the flow's PingSource, which no pod of a tenant can
read. Who has it anyhow can do no more than have that one source looked at, and never earlier than it is due.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.keys import Keys, Purpose

__all__ = ["PATH", "PROOF", "TYPE", "Tick", "TickRefused", "is_genuine", "make_tick", "read_flow_id"]

PATH = "/ticks/"
"""Where the poller takes ticks; the flow's id behind it is for people who read logs."""
TYPE = "dev.knative.sources.ping"
PROOF = "intellyhubtick"
"""Extension attribute of a tick, beside its flow's address; Knative takes lower-case letters and digits."""
ID_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a PingSource is given: `spec.contentType`, `spec.data`, `spec.ceOverrides.extensions`."""

    content_type: str
    body: str
    extensions: Mapping[str, str]


class TickRefused(Exception):
    """A request that is no tick; the message says why."""


def make_tick(deployment: Deployment, keys: Keys) -> Tick:
    """The tick of a flow's source."""
    return Tick(
        content_type="application/json",
        body=f'{{"flow": "{deployment.flow_id}"}}',
        extensions={ADDRESS: deployment.flow_id, PROOF: keys.token(Purpose.TICK, deployment.flow_id)},
    )


def read_flow_id(headers: Mapping[str, str]) -> str:
    """Whose source a tick in binary mode is for. Raises `TickRefused`."""
    if headers.get("ce-type") != TYPE:
        raise TickRefused(f"ce-type is not {TYPE}")
    flow_id = headers.get(f"ce-{ADDRESS}", "")
    if len(flow_id) != 32 or not ID_DIGITS.issuperset(flow_id):
        raise TickRefused(f"ce-{ADDRESS} is not a flow's id")
    return flow_id


def is_genuine(headers: Mapping[str, str], flow_id: str, keys: Keys) -> bool:
    """Whether the platform ordered this tick for this flow."""
    given = headers.get(f"ce-{PROOF}", "").encode("latin-1", "replace")
    return hmac.compare_digest(given, keys.token(Purpose.TICK, flow_id).encode())
