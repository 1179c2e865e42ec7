"""A flow's Trigger: which events of its tenant's Broker it gets.

One for each flow: events addressed to it, and those that pass its filters, whomever they are addressed to. In two
Triggers an event could come twice, and each Trigger more is one more that has to be deleted by itself.
https://knative.dev/docs/eventing/triggers/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.filters import as_text, check_filters
from intellyhub_knative.manifests.broker import make_delivery
from intellyhub_knative.manifests.names import BROKER, FLOW_SLUG, Part, flow_labels, names_of
from intellyhub_knative.manifests.objects import Manifest, make_object
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Deployment

__all__ = ["make_filters", "make_triggers"]


def make_triggers(deployment: Deployment, settings: ClusterSettings) -> list[Manifest]:
    """To be applied when the Service is ready: an event that comes before its subscriber is lost."""
    names = names_of(deployment)
    sink = f"{settings.gateway_url}/dead-letters/{deployment.tenant_id}/{deployment.flow_id}"
    trigger = make_object(
        "eventing.knative.dev/v1",
        "Trigger",
        names.service,
        namespace=names.namespace,
        labels=flow_labels(deployment, Part.TRIGGER),
        annotations={FLOW_SLUG: deployment.slug},
        spec={
            "broker": BROKER,
            "filters": make_filters(deployment),
            "subscriber": {
                "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": names.service},
            },
            "delivery": make_delivery(deployment.delivery, sink),
        },
    )
    return [trigger]


def make_filters(deployment: Deployment) -> list[Manifest]:
    """Knative's filters for a flow. Raises `InputInvalid` for what is no filter."""
    addressed = {"exact": {ADDRESS: deployment.flow_id}}
    if not deployment.filters:
        return [addressed]
    faults = check_filters(deployment.filters)
    if faults:
        raise InputInvalid("; ".join(faults))
    return [{"any": [addressed, {"all": translate_all(deployment.filters)}]}]


def translate_all(filters: Sequence[Mapping[str, Any]]) -> list[Manifest]:
    return [translate(dialect, inner) for one in filters for dialect, inner in one.items()]


def translate(dialect: str, inner: Any) -> Manifest:
    """One filter. Ours says `exact: {type: ""}` for any value at all, as `filter.attributes` does. Knative's webhook
    takes that in `filters` too, and its broker then leaves the filter out as broken: it becomes CESQL."""
    if dialect in ("all", "any"):
        return {dialect: translate_all(inner)}
    if dialect == "not":
        [(inside, value)] = inner.items()
        return {"not": translate(inside, value)}
    given = {name: as_text(value) for name, value in inner.items()}
    parts = [exists(name) for name, value in given.items() if value == ""]
    if texts := {name: value for name, value in given.items() if value != ""}:
        parts.append({dialect: texts})
    return parts[0] if len(parts) == 1 else {"all": parts}


def exists(attribute: str) -> Manifest:
    """Whether the event has an attribute. `check_filters` has seen to it that its name is letters and digits."""
    return {"cesql": f"EXISTS {attribute}"}
