"""One flow's source: what it is told, what becomes of its events, how it stands."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import EngineError, InputInvalid, JournalError, PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.cursors import FileCursors
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.source import Cursors, Health, SourceContext
from intellyhub_engine.serving.pace import Pace
from intellyhub_knative.platform.attributes import ADDRESS
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.listener import resolve_listener
from intellyhub_knative.platform.service import LEVELS
from intellyhub_knative.platform.services import outer_names
from intellyhub_knative.platform.sources.standing import Standing
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["Accept", "Source"]

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0

Accept = Callable[[str, Sequence[Event]], object]
"""`accept(tenant_id, events)`: the events are on the disk when it returns. Raises `JournalError`."""


class Source:
    """Lives until `stop`; one thread at a time works on it. `ended` is set when none will any more."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        tenant: Tenant,
        layout: Layout,
        keys: Keys,
        kind: SourceType,
        accept: Accept,
        predecessor: Source | None = None,
        public_url: str = "",
        cursors: Cursors | None = None,
        stopping: threading.Event | None = None,
        surround: type[SourceContext] = SourceContext,
        reported: Callable[[Health], None] = lambda health: None,
    ) -> None:
        """Its places are in the data folder, unless `cursors` are given; `reported` is told what it says of itself."""
        self.deployment = deployment
        self.tenant = tenant
        self.kind = kind
        self.standing: Standing = predecessor.standing if predecessor else Standing()
        self.predecessor = predecessor
        self.pace = Pace()
        self.ended = threading.Event()
        self._keys = keys
        self._accept = accept
        self._reported = reported
        self._failures = 0
        self._failed_at = 0.0
        self._secrets: frozenset[str] = frozenset()
        self.context = surround(
            flow=deployment.name,
            address=deployment.address,
            stopping=stopping or threading.Event(),
            log=self._log,
            now_ns=time.time_ns,
            workspace=layout.workspace_of(deployment.tenant_id),
            cursors=cursors or FileCursors(layout.cursors / deployment.flow_id),
            report=self._report,
            settings=tenant.variables,
            text=Path(deployment.current.path),
            hook_address=public_url + deployment.hook_path if public_url else None,
        )

    def listens_as(self, deployment: Deployment, tenant: Tenant) -> bool:
        """Whether these records would make the same source."""
        told = ("listener", "variables", "current", "address", "plugins", "services")
        mine, theirs = ([getattr(each, name) for name in told] for each in (self.deployment, deployment))
        values = (self.tenant.variables, self.tenant.sealed_secrets)
        return mine == theirs and values == (tenant.variables, tenant.sealed_secrets)

    def may_begin(self) -> bool:
        """False while the source in whose place this one comes is still at work: two would disturb one place."""
        if self.predecessor is not None and self.predecessor.ended.is_set():
            self.predecessor = None
        return self.predecessor is None

    @property
    def name(self) -> str:
        """The flow as a person names it, in logs."""
        return f"{self.deployment.tenant_slug}/{self.deployment.slug}"

    def stop(self) -> None:
        """End it, within about a second."""
        self.context.stopping.set()

    def resolve(self) -> dict[str, Any]:
        """Its parameters. Raises `InputInvalid` with every fault."""
        outer = outer_names(self.deployment, self.tenant, self._keys)
        self._secrets = frozenset(outer.secrets.values())
        self.context = replace(self.context, settings=outer.all)
        known = Catalogue(sources={str((self.deployment.listener or {}).get("type")): self.kind})
        return resolve_listener(self.deployment, self.tenant, self._keys, known)

    def hand_over(self, event: Event) -> None:
        """Store an event for this flow. One that can never be stored is left out, loudly. Raises `JournalError`."""
        addressed = replace(event, extensions={**event.extensions, ADDRESS: self.deployment.flow_id})
        try:
            self._accept(self.deployment.tenant_id, [addressed])
        except (PermanentError, InputInvalid) as fault:
            self._log("error", f"the event {event.id!r} cannot be stored and is left out: {fault}")
            return
        self.standing.note_event()
        self._failures = 0

    def wait_for_journal(self, fault: JournalError) -> float:
        """An event could not be stored; seconds until it is tried again."""
        seconds = self._backoff(10.0)
        message = f"events cannot be stored: {fault}"
        self._log("error", message)
        self.standing.report(Health(connected=False, message=message, next_attempt_seconds=seconds))
        return seconds

    def fail(self, fault: BaseException) -> float:
        """The source raised; seconds until it is begun again."""
        seconds = self._backoff(LONGEST_PAUSE_SECONDS)
        message = mask(str(fault) or type(fault).__name__, self._secrets)
        LOG.error(
            "the %s source of %s broke and is begun again in %.0f s: %s",
            self.kind.type,
            self.name,
            seconds,
            message,
            exc_info=None if isinstance(fault, EngineError) else fault,
        )
        self.standing.fail(message, seconds)
        return seconds

    def _backoff(self, most_seconds: float) -> float:
        now = time.monotonic()
        if now - self._failed_at > 2 * LONGEST_PAUSE_SECONDS:
            self._failures = 0
        self._failed_at = now
        seconds: float = min(FIRST_PAUSE_SECONDS * (1 << min(self._failures, 20)), most_seconds)
        self._failures += 1
        return seconds * random.uniform(0.75, 1.0)

    def _log(self, level: str, message: str) -> None:
        LOG.log(LEVELS.get(level, logging.INFO), "source of %s: %s", self.name, mask(message, self._secrets))

    def _report(self, health: Health) -> None:
        self._reported(health)
        self.standing.report(replace(health, message=mask(health.message, self._secrets)))
