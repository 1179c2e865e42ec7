"""What a process of the platform is told about the cluster it runs on, read once from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import host_and_port, read_fields, variable

__all__ = ["KNATIVE", "TARGET", "Knative", "read_knative"]

TARGET = "INTELLYHUB_TARGET"
"""Variable: `knative` on a cluster; empty or `local` on one machine."""
LOCAL, KNATIVE = "local", "knative"
BROKERS = "http://broker-ingress.knative-eventing.svc.cluster.local/{namespace}/{broker}"
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def broker_url(value: str) -> str:
    """An address with the places for a tenant's namespace and its Broker's name."""
    if not value.startswith(("http://", "https://")) or set(PLACEHOLDER.findall(value)) != {"namespace", "broker"}:
        raise ValueError("is no address with {namespace} and {broker} in it, such as " + BROKERS)
    return value


@dataclass(frozen=True, kw_only=True)
class Knative:
    """Empty means unset. docs/broker.md lists them."""

    broker_url: str = variable("INTELLYHUB_BROKER_URL", BROKERS, broker_url)
    """Where a tenant's Broker takes events: the ingress of the Broker class in use."""
    gateway: tuple[str, int] | None = variable("INTELLYHUB_CLUSTER_GATEWAY", None, host_and_port)
    """The cluster's internal gateway, for a process outside of the cluster: every flow is reached there, by its host
    name. Unset: names are resolved."""


def read_knative(environment: Mapping[str, str]) -> Knative | None:
    """The settings; None on one machine. Raises `InputInvalid` with every variable that cannot be used."""
    target = environment.get(TARGET) or LOCAL
    if target not in (LOCAL, KNATIVE):
        raise InputInvalid(f"{TARGET} is {target!r}; it can be {LOCAL} or {KNATIVE}")
    if target == LOCAL:
        return None
    values, faults = read_fields(Knative, environment)
    if faults:
        raise InputInvalid("; ".join(faults))
    return Knative(**values)
