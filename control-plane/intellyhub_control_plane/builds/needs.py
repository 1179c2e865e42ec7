"""What a version's image is made of, and whether the one that there is still is that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from intellyhub_control_plane.journal_names import journal_name
from intellyhub_control_plane.models.builds import Build, BuildStatus
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.present.texts import catalogue_of
from intellyhub_control_plane.target.equipment import Equipment, Stock, look_into
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.builds.order import find_called
from intellyhub_knative.platform.layout import Layout

__all__ = ["Needed", "callers_of", "engine_mark", "find_needed", "outdated", "queue_build", "wish_image"]

MARK_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Needed:
    """All that goes into the image of a version."""

    tenant: Tenant
    flow: Flow
    version: FlowVersion
    called: Mapping[str, bytes]
    called_names: Mapping[str, str]
    plugins: tuple[InstalledPlugin, ...]
    key: str


def find_needed(session: Session, layout: Layout, tenant: Tenant, flow: Flow, number: int, engine: str) -> Needed:
    """What the image of a version needs, as things stand. Raises `NotFound`."""
    stock, version = look_into(session, layout, tenant), flow.version(session, number)
    called, names = read_called(session, tenant, flow, version.text, stock)
    texts = [version.text, *(text.decode() for text in called.values())]
    equipment = stock.equip(texts)
    return Needed(
        tenant=tenant,
        flow=flow,
        version=version,
        called=called,
        called_names=names,
        plugins=equipment.plugins,
        key=make_key(equipment, called, engine),
    )


def read_called(
    session: Session, tenant: Tenant, flow: Flow, text: str, stock: Stock
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The current texts of the flows that a flow calls, and what the journal calls them, by slug."""
    names: dict[str, str] = {}

    def read(slug: str) -> bytes | None:
        question = Flow.beside(Flow.of(tenant).where(Flow.slug == slug), FlowVersion.text)
        row = session.execute(question).first()
        if row is None:
            return None
        names[slug] = journal_name(tenant.id, row[0].id)
        return bytes(row[1].encode())

    called = find_called(text.encode(), catalogue_of(stock.plugins), read, name=flow.name)
    return called, {slug: names[slug] for slug in called}


def make_key(equipment: Equipment, called: Mapping[str, bytes], engine: str) -> str:
    """The same for the same image of the same text. Pure."""
    facts = [
        sorted((plugin.name, Path(plugin.folder).name, Path(plugin.layer or "").name) for plugin in equipment.plugins),
        sorted(equipment.locked.items()),
        sorted((slug, hashlib.sha256(text).hexdigest()) for slug, text in called.items()),
    ]
    return engine_mark(engine) + hashlib.sha256(orjson.dumps(facts)).hexdigest()[MARK_DIGITS:]


def engine_mark(engine: str) -> str:
    """What the keys of all images on one engine begin with."""
    return hashlib.sha256(engine.encode()).hexdigest()[:MARK_DIGITS]


def wish_image(
    session: Session, layout: Layout, tenant: Tenant, flow: Flow, engine: str, *, author: str | None = None
) -> Build | None:
    """A build of the current version, where it has no image of just what it needs and the newest build is not of that.
    One that failed is not asked for again by itself: it would fail again; but when another one failed since the image
    was made that is right again, so that it does not stand there as the last word."""
    needed = find_needed(session, layout, tenant, flow, flow.current_version, engine)
    newest = Build.newest_of(session, flow, flow.current_version)
    if newest is not None and newest.key == needed.key and not newest.was_overtaken:
        return None
    is_made = bool(needed.version.image) and needed.version.image_key == needed.key
    if is_made and (newest is None or newest.status != BuildStatus.FAILED):
        return None
    return Build.ask(session, flow, flow.current_version, target="", key=needed.key, author=author)


def queue_build(session: Session, layout: Layout, tenant: Tenant, flow: Flow, engine: str, *, author: str) -> Build:
    """A build of the current version for the platform, whatever there was before."""
    needed = find_needed(session, layout, tenant, flow, flow.current_version, engine)
    return Build.ask(session, flow, flow.current_version, target="", key=needed.key, author=author)


def callers_of(session: Session, tenant: Tenant, flow: Flow) -> list[str]:
    """The flows whose text may name a flow: their images hold its text."""
    question = Flow.beside(Flow.of(tenant).where(Flow.id != flow.id), FlowVersion.text)
    naming = question.where(FlowVersion.text.contains(flow.slug, autoescape=True)).with_only_columns(Flow.id)
    return list(session.scalars(naming))


def outdated(session: Session, engine: str) -> list[tuple[str, str]]:
    """Tenant and flow of the flows whose image is on another engine."""
    is_current = (FlowVersion.flow_id == Flow.id) & (FlowVersion.number == Flow.current_version)
    question = select(Flow.tenant_id, Flow.id).join(FlowVersion, is_current)
    other = FlowVersion.image_key.not_like(f"{engine_mark(engine)}%") & (FlowVersion.image_key != "")
    return [(tenant_id, flow_id) for tenant_id, flow_id in session.execute(question.where(other))]
