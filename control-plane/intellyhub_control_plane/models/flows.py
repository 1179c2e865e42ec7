"""Flows and their versions."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ForeignKey, Index, Select, String, Text, UniqueConstraint, and_, bindparam, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, defer, mapped_column, relationship

from intellyhub_control_plane.errors import NotNow, QuotaExceeded, Stale, Taken, found
from intellyhub_control_plane.journal_names import journal_name
from intellyhub_control_plane.models.names import make_slug, stem_of, unused_slug
from intellyhub_control_plane.models.owned import Owned
from intellyhub_control_plane.models.people import Tenant, User
from intellyhub_control_plane.models.record import Document, Id, Record, make_id, now

__all__ = ["Flow", "FlowVersion", "digest_of_text"]

Value = TypeVar("Value")


def digest_of_text(text: str) -> str:
    """The address of a text: what the engine calls `Flow.digest`, and the journal a run's `version`."""
    return hashlib.sha256(text.encode()).hexdigest()


class Flow(Record, Owned):
    """A flow: a name for a row of versions, one of which is the current one."""

    __tablename__ = "flows"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"), Index(None, "tenant_id", "created_at", "id"))

    id: Mapped[Id] = mapped_column(primary_key=True, default=make_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    active: Mapped[bool] = mapped_column(default=True)
    current_version: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column()
    """Counts changes; the ETag."""
    rollout: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """How the current version gets its part of the requests, on a cluster: the fields of a deployment's `Rollout`.
    None: it has all of them."""
    min_scale: Mapped[int] = mapped_column(default=0, server_default="0")
    """Workers that are kept while nothing happens, on a cluster."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    tenant: Mapped[Tenant] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 - SQLAlchemy's own way to say it

    @classmethod
    def named(cls, session: Session, tenant: Tenant, name: str, *, to_change: bool = False) -> Flow:
        """The tenant's flow with this id or slug; `to_change` keeps others from changing it meanwhile. Raises
        `NotFound`."""
        question = NAMED.with_for_update() if to_change else NAMED
        return found(session.scalars(question, {"tenant_id": tenant.id, "name": name}).first(), "flow", name)

    @classmethod
    def matching(cls, tenant: Tenant, text: str) -> Select[Flow]:
        """The tenant's flows with `text` in their name or slug, in any case of letters."""
        if not text:
            return cls.of(tenant)
        parts = (column.icontains(text, autoescape=True) for column in (cls.name, cls.slug))
        return cls.of(tenant).where(or_(*parts))

    @classmethod
    def beside(cls, question: Select[Flow], column: InstrumentedAttribute[Value]) -> Select[Flow, Value]:
        """The flows of a question, each with a column of its current version."""
        is_current = and_(FlowVersion.flow_id == cls.id, FlowVersion.number == cls.current_version)
        return question.join(FlowVersion, is_current).add_columns(column)

    @classmethod
    def create(cls, session: Session, tenant: Tenant, *, name: str, slug: str | None) -> Flow:
        """A new flow, without a version. Raises `Taken`, `QuotaExceeded`."""
        slugs = cls.of(tenant).with_only_columns(cls.slug)
        if (session.scalar(select(func.count()).select_from(slugs.subquery())) or 0) >= tenant.max_flows:
            raise QuotaExceeded("flows", tenant.max_flows)
        wanted = slug or make_slug(name, "flow")
        used = set(session.scalars(slugs.where(cls.slug.startswith(stem_of(wanted)))))
        if slug in used:
            raise Taken("slug", wanted)
        flow = cls(id=make_id(), tenant=tenant, slug=unused_slug(wanted, used), name=name)
        session.add(flow)
        session.flush()
        return flow

    def change(self, *, name: str | None, active: bool | None, min_scale: int | None = None) -> None:
        """Change what is given."""
        self.min_scale = self.min_scale if min_scale is None else min_scale
        self.name = self.name if name is None else name
        self.active = self.active if active is None else active

    @property
    def journal_name(self) -> str:
        """What the journal calls it."""
        return journal_name(self.tenant_id, self.id)

    @property
    def etag(self) -> str:
        """What a client shows to change what it has read."""
        return f'"{self.revision}"'

    def check_etag(self, given: str | None) -> None:
        """Raises `Stale` when the client has read another state of the flow."""
        wanted = [tag.strip().removeprefix("W/") for tag in (given or "*").split(",")]
        if "*" not in wanted and self.etag not in wanted:
            raise Stale(self.etag)

    def publish(
        self,
        session: Session,
        text: str,
        author: User | None,
        *,
        listener: dict[str, Any] | None,
        variables: dict[str, Any],
    ) -> FlowVersion:
        """Make a text the current version: the one that has it already, or a new one."""
        version = session.scalar(self.versions.where(FlowVersion.digest == digest_of_text(text)))
        if version is None:
            newest = session.scalar(select(func.max(FlowVersion.number)).where(FlowVersion.flow_id == self.id)) or 0
            version = FlowVersion(
                flow_id=self.id,
                tenant_id=self.tenant_id,
                number=newest + 1,
                digest=digest_of_text(text),
                text=text,
                listener=listener,
                variables=variables,
                created_by=author.email if author else None,
            )
            session.add(version)
        if self.current_version != version.number:
            self.current_version, self.updated_at, self.rollout = version.number, now(), None
        session.flush()
        return version

    def roll_out(self, session: Session, stable: int, **wish: Any) -> None:
        """Give the current version a part of the requests, and the stable one the rest. Raises `NotFound`, `NotNow`."""
        if stable == self.current_version:
            raise NotNow("a rollout goes from one version to another: `stable` is the current one")
        self.rollout = {**wish, "stable": self.version(session, stable).number, "began_at": now().isoformat()}
        self.updated_at = now()
        session.flush()

    def promote(self, session: Session) -> None:
        """Give the current version all requests."""
        self.rollout, self.updated_at = None, now()
        session.flush()

    def roll_back(self, session: Session, number: int) -> None:
        """Make a version the current one again, for all requests. Raises `NotFound`."""
        self.current_version, self.updated_at = self.version(session, number).number, now()
        self.rollout = None
        session.flush()

    @property
    def versions(self) -> Select[FlowVersion]:
        """All its versions."""
        return select(FlowVersion).where(FlowVersion.flow_id == self.id, FlowVersion.tenant_id == self.tenant_id)

    def version(self, session: Session, number: int) -> FlowVersion:
        """One of its versions. Raises `NotFound`."""
        given = {"tenant_id": self.tenant_id, "flow_id": self.id, "number": number}
        return found(session.scalar(VERSION, given), "version", number)

    def listener(self, session: Session) -> dict[str, Any] | None:
        """The listener of the current version."""
        current = self.versions.where(FlowVersion.number == self.current_version)
        return session.scalar(current.with_only_columns(FlowVersion.listener))

    def current(self, session: Session) -> FlowVersion:
        """The version that new events get."""
        return self.version(session, self.current_version)


class FlowVersion(Record, Owned):
    """A published text. Immutable; the same text of the same flow is the same version."""

    __tablename__ = "flow_versions"
    __table_args__ = (UniqueConstraint("flow_id", "digest"),)

    flow_id: Mapped[str] = mapped_column(ForeignKey("flows.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    listener: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """The listener block as the author wrote it, its `type` as the catalogue calls it."""
    variables: Mapped[dict[str, Any]] = mapped_column(Document)
    """The author's `variables` block, unresolved."""
    image: Mapped[str] = mapped_column(String(500), default="", server_default="")
    """On a cluster: `registry/repository@sha256:...`, empty until it is built."""
    image_key: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """What that image is made of beside the text: plugins, packages, called flows, engine."""
    created_by: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)

    @staticmethod
    def without_text(question: Select[FlowVersion]) -> Select[FlowVersion]:
        """For lists: texts are long."""
        return question.options(defer(FlowVersion.text, raiseload=True))


# What is asked again and again, built once.
NAMED = (
    select(Flow)
    .where(
        Flow.tenant_id == bindparam("tenant_id"),
        or_(Flow.id == bindparam("name"), Flow.slug == bindparam("name")),
    )
    .order_by(Flow.id != bindparam("name"))
)
VERSION = select(FlowVersion).where(
    FlowVersion.tenant_id == bindparam("tenant_id"),
    FlowVersion.flow_id == bindparam("flow_id"),
    FlowVersion.number == bindparam("number"),
)
