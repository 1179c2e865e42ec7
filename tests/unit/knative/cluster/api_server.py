"""A Kubernetes API that behaves, over real HTTP: kmock's scaffold (server, request log, errors as `Status`),
and what it leaves out: server-side apply with owners and conflicts, generations, selectors, pages, watches that expire,
namespaces that come to an end, owners that take with them what they own. How it answers was seen on Kubernetes 1.34.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp.web
import attrs
from kmock import KubernetesError, KubernetesScaffold, Server

Object = dict[str, Any]
NAMESPACES = "/api/v1/namespaces"


class Place(NamedTuple):
    """What a path names."""

    group: str
    plural: str
    namespace: str | None
    name: str | None


class Key(NamedTuple):
    """An object."""

    group: str
    plural: str
    namespace: str | None
    name: str


def read_place(path: str) -> Place | None:
    parts = path.strip("/~").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return Place(group, rest[0], namespace, rest[1] if len(rest) > 1 else None)


def refuse(status: int, reason: str, message: str) -> KubernetesError:
    return KubernetesError(status=status, reason=reason, message=message, details={})


def leaves_of(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Fields with an owner each; a list is one field."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[tuple[str, ...], Any] = {}
    for name, each in value.items():
        found |= leaves_of(each, (*path, name))
    return found


def put(value: Object, path: tuple[str, ...], leaf: Any) -> None:
    for name in path[:-1]:
        value = value.setdefault(name, {})
    value[path[-1]] = copy.deepcopy(leaf)


def take(value: Object, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        if not isinstance(value.get(name), dict):
            return
        value = value[name]
    value.pop(path[-1], None)


@attrs.define(kw_only=True, slots=False)
class ApiServer(KubernetesScaffold):
    """One cluster."""

    objects: dict[Key, Object] = attrs.field(factory=dict)
    owners: dict[Key, dict[str, dict[tuple[str, ...], Any]]] = attrs.field(factory=dict)
    clock: int = 100
    remembered: int = 0
    """Watches from before this version get 410."""
    history: list[tuple[int, str, Key, Object]] = attrs.field(factory=list)
    stirred: asyncio.Event = attrs.field(factory=asyncio.Event)
    asked: list[tuple[str, str, str, str | None, str | None]] = attrs.field(factory=list)
    """(verb, group, plural, namespace, name) of every request, as RBAC sees them."""
    away: bool = False
    """Connections are cut."""
    cuts: int = 0
    """How often: each ends the watches of before."""
    answers: list[tuple[str, KubernetesError]] = attrs.field(factory=list)
    """(text in "VERB path", error), each given once, before anything else happens."""
    checks: list[Callable[[Key, Object | None, Object], None]] = attrs.field(factory=list)
    """Webhooks: raise to refuse, change the new object to fill in defaults."""
    controllers: list[Callable[[str, Key, Object], None]] = attrs.field(factory=list)
    """Told after each change."""
    page: int = 500
    tokens: set[str] | None = None
    """Bearer tokens that are good; None: any."""

    async def __call__(self, raw_request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        if raw_request.path == NAMESPACES:  # kmock 0.8 cannot read this path: a namespace's name has to follow
            raw_request = raw_request.clone(rel_url=raw_request.rel_url.with_path(NAMESPACES + "~", keep_query=True))
        return await super().__call__(raw_request)

    async def _handle(self, request: Any) -> aiohttp.web.StreamResponse:
        place = read_place(request.url.path)
        if place is None:
            return await super()._handle(request)
        if self.away:
            request._raw_request.transport.abort()
            raise ConnectionAbortedError
        if self.tokens is not None and request.headers.get("Authorization", "")[7:] not in self.tokens:
            raise refuse(401, "Unauthorized", "Unauthorized")
        line = f"{request.method.value} {request.url.path}"
        for number, (part, error) in enumerate(self.answers):
            if part in line:
                del self.answers[number]
                raise error
        match request.method.value, place.name, request.params.get("watch"):
            case "GET", None, "true":
                self.note("watch", place)
                return await self.watch(request, place)
            case "GET", None, _:
                self.note("list", place)
                return aiohttp.web.json_response(self.list(place, request.params))
            case "GET", _, _:
                self.note("get", place)
                return aiohttp.web.json_response(self.find(place))
            case "POST", None, _:
                self.note("create", place)
                return aiohttp.web.json_response(self.create(place, request.data), status=201)
            case "PUT", _, _:
                self.note("update", place)
                return aiohttp.web.json_response(self.replace(place, request.data))
            case "PATCH", _, _:
                assert request.headers["Content-Type"] == "application/apply-patch+yaml"
                self.note("patch", place)
                given = json.loads(request.body)  # JSON is YAML
                manager, force = request.params["fieldManager"], request.params.get("force") == "true"
                return aiohttp.web.json_response(self.apply(key_of(place), given, manager, force=force))
            case "DELETE", _, _:
                self.note("delete", place)
                wanted = ((json.loads(request.body or b"{}")).get("preconditions") or {}).get("uid")
                return aiohttp.web.json_response(self.remove(key_of(place), uid=wanted))
        raise refuse(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def note(self, verb: str, place: Place) -> None:
        self.asked.append((verb, place.group, place.plural, place.namespace, place.name))

    def find(self, place: Place) -> Object:
        found = self.objects.get(key_of(place))
        if found is None:
            raise refuse(404, "NotFound", f'{place.plural} "{place.name}" not found')
        return found

    def of(self, plural: str, namespace: str | None = None) -> list[Object]:
        """What there is of a kind: for tests."""
        return [
            found for key, found in self.objects.items() if key.plural == plural and namespace in (None, key.namespace)
        ]

    def names(self, plural: str, namespace: str | None = None) -> list[str]:
        return sorted(found["metadata"]["name"] for found in self.of(plural, namespace))

    def list(self, place: Place, params: Any) -> Object:
        found = [
            item
            for key, item in sorted(self.objects.items(), key=lambda pair: str(pair[0]))
            if (key.group, key.plural) == place[:2]
            and place.namespace in (None, key.namespace)
            and selects(params.get("labelSelector", ""), item["metadata"].get("labels") or {})
            and selects(params.get("fieldSelector", ""), fields_of(item))
        ]
        begin = int(params.get("continue") or 0)
        end = begin + min(int(params.get("limit") or self.page), self.page)
        about = {"resourceVersion": str(self.clock)} | ({"continue": str(end)} if end < len(found) else {})
        items = [{name: part for name, part in item.items() if name not in ("apiVersion", "kind")} for item in found]
        return {"metadata": about, "items": items[begin:end]}

    def create(self, place: Place, given: Object) -> Object:
        key = Key(place.group, place.plural, place.namespace, given["metadata"]["name"])
        if key in self.objects:
            raise refuse(409, "AlreadyExists", f'{key.plural} "{key.name}" already exists')
        return self.store(key, copy.deepcopy(given))

    def replace(self, place: Place, given: Object) -> Object:
        known = self.find(place)
        if given["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
            raise refuse(409, "Conflict", f'Operation cannot be fulfilled on {place.plural} "{place.name}": modified')
        return self.store(key_of(place), copy.deepcopy(given))

    def apply(self, key: Key, given: Object, manager: str, *, force: bool = False) -> Object:
        """Server-side apply, also for other managers that tests let change something."""
        known, owners = self.objects.get(key), self.owners.setdefault(key, {})
        leaves = leaves_of(given)
        for fixed in (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")):
            leaves.pop(fixed, None)
        current = leaves_of(known or {})
        taken = [
            (other, path)
            for other, theirs in owners.items()
            for path in theirs
            if other != manager and path in leaves and leaves[path] != current.get(path)
        ]
        if taken and not force:
            told = "\n".join(f'conflict with "{other}": .{".".join(path)}' for other, path in taken)
            raise refuse(409, "Conflict", f"Apply failed with {len(taken)} conflict{'s'[: len(taken) - 1]}: {told}")
        for other, path in taken:
            del owners[other][path]
        made = copy.deepcopy(known) if known else {name: given[name] for name in ("apiVersion", "kind")}
        made.setdefault("metadata", {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {}))
        for path in owners.get(manager, {}):
            if path not in leaves and not any(path in owners[other] for other in owners if other != manager):
                take(made, path)
        for path, leaf in leaves.items():
            put(made, path, leaf)
        stored = self.store(key, made)
        owners[manager] = leaves
        return stored

    def store(self, key: Key, made: Object) -> Object:
        """Keep an object, after the webhooks; nothing happens where nothing changes."""
        known = self.objects.get(key)
        self.check_namespace(key)
        for check in self.checks:
            check(key, known, made)
        about = made["metadata"]
        old: Object = known["metadata"] if known else {"uid": str(uuid4()), "generation": 0, "creationTimestamp": "now"}
        changed = known is None or known.get("spec") != made.get("spec")
        about |= {name: old[name] for name in ("uid", "creationTimestamp")}
        about["generation"] = old["generation"] + changed
        if known is not None and plain(known) == plain(made):
            return known
        return self.keep("MODIFIED" if known else "ADDED", key, made)

    def keep(self, event: str, key: Key, made: Object) -> Object:
        self.clock += 1
        made["metadata"]["resourceVersion"] = str(self.clock)
        self.objects[key] = made
        self.tell(event, key, made)
        return made

    def tell(self, event: str, key: Key, made: Object) -> None:
        self.history.append((self.clock, event, key, copy.deepcopy(made)))
        self.stir()
        for control in self.controllers:
            control(event, key, made)

    def set_status(self, key: Key, status: Object) -> None:
        """As a controller does."""
        if self.objects[key].get("status") != status:
            self.keep("MODIFIED", key, {**self.objects[key], "status": status})

    def check_namespace(self, key: Key) -> None:
        if key.namespace is None:
            return
        found = self.objects.get(Key("", "namespaces", None, key.namespace))
        if found is None:
            raise refuse(404, "NotFound", f'namespaces "{key.namespace}" not found')
        if found["metadata"].get("deletionTimestamp"):
            raise refuse(
                403, "Forbidden", f"unable to create new content in namespace {key.namespace}: being terminated"
            )

    def remove(self, key: Key, uid: str | None = None) -> Object:
        found = self.objects.get(key)
        if found is None:
            raise refuse(404, "NotFound", f'{key.plural} "{key.name}" not found')
        if uid is not None and uid != found["metadata"]["uid"]:
            raise refuse(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        del self.objects[key]
        self.owners.pop(key, None)
        self.clock += 1
        self.tell("DELETED", key, found)
        for other, item in list(self.objects.items()):
            owned = any(
                each["uid"] == found["metadata"]["uid"] for each in item["metadata"].get("ownerReferences") or ()
            )
            inside = key.plural == "namespaces" and other.namespace == key.name
            if (owned or inside) and other in self.objects:
                self.remove(other)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    async def watch(self, request: Any, place: Place) -> aiohttp.web.StreamResponse:
        since = int(request.params.get("resourceVersion") or self.clock)
        if since < self.remembered:
            raise refuse(410, "Expired", f"too old resource version: {since} ({self.remembered})")
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request._raw_request)
        selector = request.params.get("labelSelector", "")
        cuts = self.cuts
        while cuts == self.cuts:
            stirred = self.stirred
            for version, event, key, item in list(self.history):
                fits = (key.group, key.plural) == place[:2] and selects(selector, item["metadata"].get("labels") or {})
                if version > since and fits:
                    await response.write(json.dumps({"type": event, "object": item}).encode() + b"\n")
            since = max([since, *(version for version, *_ in self.history)])
            await stirred.wait()
        request._raw_request.transport.abort()
        return response

    def cut(self) -> None:
        """Go away: watches break, and nobody can connect."""
        self.away = True
        self.cuts += 1
        self.stir()

    def stir(self) -> None:
        self.stirred.set()
        self.stirred = asyncio.Event()


def key_of(place: Place) -> Key:
    assert place.name is not None
    return Key(place.group, place.plural, place.namespace, place.name)


def plain(item: Object) -> Object:
    return {**item, "metadata": {k: v for k, v in item["metadata"].items() if k != "resourceVersion"}}


def fields_of(item: Object) -> dict[str, str]:
    involved = item.get("involvedObject") or {}
    return {f"involvedObject.{name}": str(value) for name, value in involved.items()}


def selects(selector: str, labels: dict[str, str]) -> bool:
    """Equality-based selectors, and the presence of a key."""
    for part in filter(None, selector.split(",")):
        name, mark, value = part.partition("=")
        if name not in labels or (mark and labels[name] != value.lstrip("=")):
            return False
    return True


@asynccontextmanager
async def running(api: ApiServer) -> AsyncIterator[str]:
    """Serve it on a port of its own; its address."""
    async with api, Server(api) as server:
        yield str(server.url).rstrip("/")
