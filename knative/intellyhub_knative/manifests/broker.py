"""A tenant's Broker, and how a Broker delivers.

https://knative.dev/docs/eventing/event-delivery/. The class and its configuration are the cluster's choice; neither can
be changed on a Broker that exists. `retryAfterMax` is not written: it needs a feature flag.
"""

from __future__ import annotations

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.manifests.names import BROKER, namespace_of, tenant_labels
from intellyhub_knative.manifests.objects import Manifest, make_object
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.deployments import Delivery
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["make_broker", "make_delivery"]

CLASS = "eventing.knative.dev/broker.class"
POLICIES = ("exponential", "linear")
MOST_RETRIES = 100


def make_broker(tenant: Tenant, settings: ClusterSettings) -> Manifest:
    """The Broker. Its own delivery holds for Triggers that say nothing, so for none of ours."""
    sink = f"{settings.gateway_url}/dead-letters/{tenant.tenant_id}"
    spec: Manifest = {"delivery": make_delivery(Delivery(), sink)}
    if settings.broker_config is not None:
        spec["config"] = dict(settings.broker_config)
    return make_object(
        "eventing.knative.dev/v1",
        "Broker",
        BROKER,
        namespace=namespace_of(tenant),
        labels=tenant_labels(tenant.tenant_id),
        annotations={CLASS: settings.broker_class} if settings.broker_class else None,
        spec=spec,
    )


def make_delivery(delivery: Delivery, dead_letters: str) -> Manifest:
    """How often and how long. A sink of dead letters is always there: without one, the producer of an event is told of
    every subscriber's fault. Raises `InputInvalid`."""
    if delivery.backoff_policy not in POLICIES:
        raise InputInvalid(f"the backoff policy is {delivery.backoff_policy!r}; it is {' or '.join(POLICIES)}")
    if not 0 <= delivery.retry <= MOST_RETRIES:
        raise InputInvalid(f"retry is {delivery.retry}; it lies from 0 to {MOST_RETRIES}")
    return {
        "retry": delivery.retry,
        "backoffPolicy": delivery.backoff_policy,
        "backoffDelay": duration(delivery.backoff_delay_seconds),
        "timeout": duration(delivery.timeout_seconds),
        "deadLetterSink": {"uri": dead_letters},
    }


def duration(seconds: float) -> str:
    """ISO 8601, as these fields want it, unlike all others: `PT0.5S`. Raises `InputInvalid` for less than a
    millisecond."""
    written = f"{seconds:.3f}".rstrip("0").rstrip(".")
    if not 0.001 <= seconds < 1e9:
        raise InputInvalid(f"{seconds} seconds is no duration that a Broker takes")
    return f"PT{written}S"
