"""Knative's controllers and webhooks over `ApiServer`, as they behaved on a real cluster: revisions, readiness, traffic
that stays while something is not ready, Triggers that were made too early, subscribers that are left over."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from tests.unit.knative.cluster.api_server import ApiServer, Key, Object, refuse

SERVING, EVENTING, MESSAGING, SOURCES = (
    "serving.knative.dev",
    "eventing.knative.dev",
    "messaging.knative.dev",
    "sources.knative.dev",
)
FAR_APART_SECONDS = 0.02
"""Triggers that are deleted faster than that leave their subscribers behind. A second or so on a real cluster."""


def condition(kind: str, status: bool | None, reason: str = "", message: str = "") -> Object:
    known = {True: "True", False: "False", None: "Unknown"}[status]
    return {"type": kind, "status": known} | ({"reason": reason, "message": message} if not status else {})


class Knative:
    """Installed in a cluster."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.outcome: Callable[[Object], tuple[bool | None, str, str]] = lambda revision: (True, "", "")
        """How a revision fares: ready, reason, message."""
        self.last_deletion: dict[str, float] = {}
        self.lagging = False
        """Controllers have not seen the newest generation yet."""
        api.checks += [fill_in_defaults, refuse_changes, refuse_unknown]
        api.controllers.append(self.control)

    def control(self, event: str, key: Key, item: Object) -> None:
        match key.plural, event:
            case ("services", "ADDED" | "MODIFIED") if key.group == SERVING and not self.lagging:
                self.deploy(key, item)
            case "revisions", _:
                pass
            case "triggers", "DELETED":
                self.unsubscribe(key, item)
            case "triggers", "ADDED":
                self.subscribe(key, item)
            case "brokers", "ADDED":
                self.api.keep("ADDED", channel_of(key), make_channel(channel_of(key), []))
                self.ready(key)
            case "brokers", "DELETED":
                if channel_of(key) in self.api.objects:
                    self.api.remove(channel_of(key))
            case "inmemorychannels", "DELETED":
                self.remake_channel(key)
            case (("triggers" | "brokers" | "pingsources" | "containersources"), _):
                self.see(key, item)

    def see(self, key: Key, item: Object) -> None:
        known = item.get("status") or {"conditions": [condition("Ready", True)]}
        if known.get("observedGeneration") != item["metadata"]["generation"]:
            self.api.set_status(key, {**known, "observedGeneration": item["metadata"]["generation"]})

    def ready(self, key: Key, status: bool = True, reason: str = "", message: str = "") -> None:
        item = self.api.objects[key]
        conditions = [condition("Ready", status, reason, message)]
        self.api.set_status(key, {"observedGeneration": item["metadata"]["generation"], "conditions": conditions})

    def deploy(self, key: Key, service: Object) -> None:
        """The configuration's and the route's controllers."""
        known = service.get("status") or {}
        latest = known.get("latestCreatedRevisionName")
        template = service["spec"]["template"]
        revisions = {each["metadata"]["name"]: each for each in self.api.of("revisions", key.namespace)}
        if latest is None or revisions[latest]["made_from"] != template:
            number = sum(each.startswith(f"{key.name}-") for each in revisions) + 1
            latest = f"{key.name}-{number:05}"
            self.make_revision(key, latest, service)
        self.route(key, latest)

    def make_revision(self, key: Key, name: str, service: Object) -> None:
        template = service["spec"]["template"]
        labels = dict(template["metadata"].get("labels") or {})
        labels |= {
            "serving.knative.dev/service": key.name,
            "serving.knative.dev/configurationGeneration": str(service["metadata"]["generation"]),
        }
        owner = [{"uid": service["metadata"]["uid"], "kind": "Service", "name": key.name}]
        made = {
            "apiVersion": f"{SERVING}/v1",
            "kind": "Revision",
            "metadata": {"name": name, "namespace": key.namespace, "labels": labels, "ownerReferences": owner},
            "spec": copy.deepcopy(template["spec"]),
            "made_from": copy.deepcopy(template),
        }
        place = Key(SERVING, "revisions", key.namespace, name)
        self.api.store(place, made)
        self.settle(place)

    def settle(self, place: Key) -> None:
        """Tell how a revision fares."""
        status, reason, message = self.outcome(self.api.objects[place])
        generation = self.api.objects[place]["metadata"]["generation"]
        conditions = [condition("Ready", status, reason, message)]
        self.api.set_status(place, {"observedGeneration": generation, "conditions": conditions})

    def go_on(self) -> None:
        """Time has passed: every revision that was not ready is looked at again, and so is what was not seen."""
        self.lagging = False
        for key, item in list(self.api.objects.items()):
            if key.plural == "revisions" and is_ready(item) is not True:
                self.settle(key)
        for key, item in list(self.api.objects.items()):
            if (key.group, key.plural) == (SERVING, "services"):
                self.deploy(key, item)
            if key.plural == "triggers" and is_ready(item) is False:
                self.subscribe(key, item)

    def route(self, key: Key, latest: str) -> None:
        service = self.api.objects[key]
        revisions = {each["metadata"]["name"]: each for each in self.api.of("revisions", key.namespace)}
        known = service.get("status") or {}
        newest = is_ready(revisions[latest])
        latest_ready = latest if newest else known.get("latestReadyRevisionName")
        wanted = [
            {**target, "revisionName": target.get("revisionName") or latest_ready}
            for target in service["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
        ]
        names = [target["revisionName"] for target in wanted]
        routable = all(name in revisions and is_ready(revisions[name]) for name in names)
        traffic = wanted if routable else known.get("traffic") or []
        failed: Object = next(iter(revisions[latest]["status"]["conditions"]), {})
        told = (failed.get("reason", ""), failed.get("message", ""))
        ready = False if newest is False else (True if newest and routable else None)
        self.api.set_status(
            key,
            {
                "observedGeneration": service["metadata"]["generation"],
                "latestCreatedRevisionName": latest,
                **({"latestReadyRevisionName": latest_ready} if latest_ready else {}),
                "traffic": traffic,
                "conditions": [
                    condition(
                        "ConfigurationsReady", newest, "RevisionFailed", f'Revision "{latest}" failed: {told[1]}'
                    ),
                    condition("RoutesReady", True if traffic and (routable or known.get("traffic")) else None, *told),
                    condition("Ready", ready, "RevisionMissing", "Configuration does not have any ready Revision."),
                ],
            },
        )

    def subscribe(self, key: Key, trigger: Object) -> None:
        """Ready only where the subscriber was there before; else nobody looks again for half a minute."""
        name = trigger["spec"]["subscriber"]["ref"]["name"]
        service = self.api.objects.get(Key(SERVING, "services", key.namespace, name))
        told = conditions(service).get("Ready") if service else None
        if told != "True":
            message = f'failed to get object {key.namespace}/{name}: services "{name}" not found'
            self.ready(key, False, "Unable to get the Subscriber's URI", message)
            return
        self.ready(key)
        place = Key(MESSAGING, "inmemorychannels", key.namespace, f"{trigger['spec']['broker']}-kne-trigger")
        if place in self.api.objects:
            listed = [*self.api.objects[place]["spec"]["subscribers"], subscriber_of(key, trigger)]
            self.api.keep("MODIFIED", place, make_channel(place, listed, self.api.objects[place]))

    def unsubscribe(self, key: Key, trigger: Object) -> None:
        now = asyncio.get_running_loop().time()
        apart = now - self.last_deletion.get(key.namespace or "", 0.0) >= FAR_APART_SECONDS
        self.last_deletion[key.namespace or ""] = now
        place = Key(MESSAGING, "inmemorychannels", key.namespace, f"{trigger['spec']['broker']}-kne-trigger")
        channel = self.api.objects.get(place)
        if channel is not None and apart:
            kept = [
                each
                for each in channel["spec"]["subscribers"]
                if trigger["metadata"]["uid"] not in each["subscriberUri"]
            ]
            self.api.keep("MODIFIED", place, make_channel(place, kept, channel))

    def remake_channel(self, key: Key) -> None:
        if not any(broker["metadata"]["name"] in key.name for broker in self.api.of("brokers", key.namespace)):
            return
        living = self.api.of("triggers", key.namespace)
        listed = [
            subscriber_of(Key(EVENTING, "triggers", key.namespace, each["metadata"]["name"]), each) for each in living
        ]
        self.api.keep("ADDED", key, make_channel(key, listed))

    def subscribers(self, namespace: str) -> list[str]:
        """The uids in the list of a namespace's channel."""
        [channel] = self.api.of("inmemorychannels", namespace)
        return sorted(each["subscriberUri"].rpartition("/")[2] for each in channel["spec"]["subscribers"])


def channel_of(broker: Key) -> Key:
    return Key(MESSAGING, "inmemorychannels", broker.namespace, f"{broker.name}-kne-trigger")


def make_channel(key: Key, subscribers: list[Object], known: Object | None = None) -> Object:
    uid = known["metadata"]["uid"] if known else f"channel-{id(subscribers)}"
    return {
        "apiVersion": f"{MESSAGING}/v1",
        "kind": "InMemoryChannel",
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid, "generation": 1},
        "spec": {"subscribers": subscribers},
    }


def subscriber_of(key: Key, trigger: Object) -> Object:
    uid = trigger["metadata"]["uid"]
    filters = "http://broker-filter.knative-eventing.svc.cluster.local"
    return {"uid": uid, "subscriberUri": f"{filters}/triggers/{key.namespace}/{key.name}/{uid}"}


def conditions(item: Object | None) -> dict[str, str]:
    return {each["type"]: each["status"] for each in ((item or {}).get("status") or {}).get("conditions") or ()}


def is_ready(item: Object) -> bool | None:
    return {"True": True, "False": False}.get(conditions(item).get("Ready", ""))


def fill_in_defaults(key: Key, known: Object | None, made: Object) -> None:
    """What Serving's webhook adds, which no manager owns."""
    if (key.group, key.plural) == (SERVING, "services"):
        made["metadata"].setdefault("annotations", {}).setdefault("serving.knative.dev/creator", "reconciler")


def refuse_changes(key: Key, known: Object | None, made: Object) -> None:
    for plural, field in (("brokers", "config"), ("triggers", "broker")):
        if key.plural == plural and known is not None and known["spec"].get(field) != made["spec"].get(field):
            text = 'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: '
            raise refuse(400, "BadRequest", f"{text}Immutable fields changed (-old +new): spec.{field}")


def refuse_unknown(key: Key, known: Object | None, made: Object) -> None:
    """With server-side apply a misspelt field is an error of the server's."""
    if (key.group, key.plural) == (SERVING, "services") and "bogus" in made["spec"]["template"]["spec"]:
        told = "failed to create typed patch object (x/y; serving.knative.dev/v1, Kind=Service): "
        raise refuse(500, "InternalError", f"{told}.spec.template.spec.bogus: field not declared in schema")


def make_pod(name: str, revision: str, **status: Any) -> Object:
    """A pod of a revision."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"serving.knative.dev/revision": revision}},
        "status": status,
    }
