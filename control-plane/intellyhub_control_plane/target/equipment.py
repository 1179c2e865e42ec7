"""What a flow is equipped with: its plugins, the packages that they and its Python require, what services give it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.services import Service, ServiceStatus
from intellyhub_control_plane.models.settings import Secret, Variable
from intellyhub_control_plane.plugins.needs import ServiceNeed, find_service_needs
from intellyhub_control_plane.plugins.store import Row, Store
from intellyhub_control_plane.present.texts import examine_text
from intellyhub_control_plane.services.facts import ServiceFacts
from intellyhub_control_plane.services.injection import Injection, inject
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.layers import Layer
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.plugins.tables import known_manifest
from intellyhub_knative.platform.layout import Layout

__all__ = ["Equipment", "Stock", "facts_of", "look_into", "open_store", "with_called"]

USERS = 200_000_000
ANY = "flow"
CALLING, REQUIRING = ("call", "subflow"), "requirements"
"""What stands in the texts of flows that call others (the state type and its aliases), or whose Python requires
packages: most have neither, and need not be read once more."""
MOST_CALLED = 100
"""Flows that one flow calls, those that they call included."""


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What one flow gets."""

    plugins: tuple[InstalledPlugin, ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    """Requirements of its Python -> folder, where they are installed here."""
    locked: Mapping[str, str] = field(default_factory=dict)
    """Requirements of its Python -> the hash of their layer, installed or not."""
    services: Mapping[str, str] = field(default_factory=dict)
    stock: str = ""
    """The mark of what it was chosen from."""


def open_store(layout: Layout, tenant_id: str) -> Store:
    """A tenant's plugins."""
    folder = layout.plugins_of(tenant_id)
    return Store(
        folder=folder,
        layers=layout.layers,
        owner=tenant_id,
        user=int(tenant_id[:8], 16) % USERS,
        scratch=layout.layers.with_name("scratch"),
    )


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What a tenant has, to equip its flows with. Looked at once, for many flows."""

    store: Store
    rows: Mapping[str, Row]
    services: tuple[ServiceFacts, ...]
    own: frozenset[str]
    """The names of the tenant's variables and secrets."""
    mark: str
    """Differs when something of it does."""

    @property
    def plugins(self) -> tuple[InstalledPlugin, ...]:
        """Those that can be read, in the order of their names."""
        return tuple(each for each in self.store.installed(self.rows.values()) if is_readable(each.folder))

    def equip(self, texts: Sequence[str]) -> Equipment:
        """What a flow with these texts gets, those of its versions and of flows that it calls. Nothing is resolved or
        installed here."""
        plugins = self.plugins
        examined = [examine_text(text, ANY, plugins) for text in texts if plugins or REQUIRING in text]
        used = [self.rows[plugin.name] for plugin in dict.fromkeys(each for text in examined for each in text.uses)]
        requirements = {lines for each in examined for lines in each.requirements}
        found = dict(filter(None, map(self.find_layer, sorted(requirements))))
        return Equipment(
            plugins=tuple(map(self.store.as_installed, used)),
            layers={key: str(layer.folder) for key, layer in found.items() if layer.folder.is_dir()},
            locked={key: layer.hash for key, layer in found.items()},
            services=self.inject(used, texts).values,
            stock=self.mark,
        )

    def find_layer(self, lines: tuple[str, ...]) -> tuple[str, Layer] | None:
        """The layer that some requirements are locked to, by their key."""
        from intellyhub_functions.layers.requirements import key_of

        try:
            layer = self.store.locks.locked(lines)
        except InputInvalid:
            return None
        return (key_of(lines), layer) if layer is not None else None

    def inject(self, used: Sequence[Row], texts: Sequence[str]) -> Injection:
        """What services give to a flow that uses these plugins."""
        needs = [need for row in used for need in service_needs(str(self.store.path(row)))]
        return inject(needs, self.services, texts, self.own)


def look_into(session: Session, layout: Layout, tenant: Tenant) -> Stock:
    """A tenant's stock, as it is now."""
    store = open_store(layout, tenant.id)
    try:
        rows = store.rows()
    except InputInvalid:
        rows = {}
    services = tuple(facts_of(each) for each in session.scalars(Service.of(tenant).order_by(Service.id)))
    names: set[str] = set()
    if services:
        names |= set(session.scalars(select(Variable.key).where(Variable.tenant_id == tenant.id)))
        names |= set(session.scalars(select(Secret.name).where(Secret.tenant_id == tenant.id)))
    facts = [
        [[row.name, row.digest, row.layer] for row in rows.values()],
        [[each.id, each.type, each.location, each.healthy, dict(each.connection)] for each in services],
        locks_mark(store),
    ]
    empty = not any(facts)
    mark = "" if empty else hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    return Stock(store=store, rows=rows, services=services, own=frozenset(names), mark=mark)


def with_called(
    session: Session, tenant: Tenant, texts: Sequence[str], plugins: tuple[InstalledPlugin, ...]
) -> list[str]:
    """The texts, and those of the flows that they call, which run in the same worker."""
    found = list(texts)
    known: set[str] = set()
    for text in found:  # it grows meanwhile
        if not any(word in text.lower() for word in CALLING):
            continue
        names = {call.message for call in examine_text(text, ANY, plugins).calls} - known
        known |= names
        if names and len(known) <= MOST_CALLED:
            called = Flow.beside(Flow.of(tenant).where(Flow.slug.in_(names)), FlowVersion.text)
            found += session.scalars(called.with_only_columns(FlowVersion.text))
    return found


def locks_mark(store: Store) -> str:
    """Of the locks: what flows' own Python requires is found there. The same in every pod that has them."""
    try:
        return hashlib.sha256(store.locks.locks.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def facts_of(service: Service) -> ServiceFacts:
    """A service without its row."""
    healthy = {ServiceStatus.HEALTHY: True, ServiceStatus.UNHEALTHY: False}.get(ServiceStatus(service.status))
    return ServiceFacts(
        id=service.id,
        type=service.type,
        location=service.location,
        config=service.config,
        connection=service.connection,
        healthy=healthy,
        message=service.message,
    )


@functools.lru_cache(maxsize=1024)
def is_readable(folder: str) -> bool:
    """Whether a plugin's manifest can be read; what lies there never changes."""
    try:
        known_manifest(folder)
    except InputInvalid:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def service_needs(folder: str) -> tuple[ServiceNeed, ...]:
    """The services that a plugin needs."""
    try:
        return find_service_needs(known_manifest(folder).document)
    except InputInvalid:
        return ()
