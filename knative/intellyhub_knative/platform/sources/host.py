"""Keeps a source running for every flow that is to have one, as the records say."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.machine.watch import Watcher
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.sources.plugins import behind_walls, find_kind
from intellyhub_knative.platform.sources.source import Accept, Source
from intellyhub_knative.platform.sources.threaded import listen_in_thread
from intellyhub_knative.platform.sources.turns import Turns
from intellyhub_knative.platform.sources.watched import Watched

__all__ = ["Host"]

LOG = logging.getLogger(__name__)
QUICK_THREADS = 8
SLOW_THREADS = 16
MOST_OF_A_TENANT = 4
END_SECONDS = 2.0


class Host:
    """Used from one thread, but for what the sources do."""

    def __init__(
        self,
        *,
        layout: Layout,
        keys: Keys,
        catalogue: Catalogue,
        accept: Accept,
        desired: Desired,
        public_url: str = "",
    ) -> None:
        self._layout = layout
        self._public_url = public_url
        self._keys = keys
        self._catalogue = catalogue
        self._accept = accept
        self._desired = desired
        self._sources: dict[str, Source] = {}
        self._ending: dict[str, Source] = {}
        """Sources that were told to stop, by flow: one that comes back waits for their end."""
        self._quick = Turns("schedules", QUICK_THREADS, most_of_a_tenant=QUICK_THREADS)
        self._slow = Turns("feeds", SLOW_THREADS, most_of_a_tenant=MOST_OF_A_TENANT)

    def reconcile(self) -> None:
        """Begin, replace and end sources, so that what listens is what is deployed."""
        wanted = {flow.flow_id: flow for flow in self._desired.deployments.values() if self._has_source(flow)}
        ended = [flow_id for flow_id in self._sources if flow_id not in wanted]
        for flow_id in ended:
            source = self._ending[flow_id] = self._sources.pop(flow_id)
            source.stop()
            if flow_id not in self._desired.deployments:
                self._quick.add(Removal(source, self._layout))
        self._ending = {flow_id: source for flow_id, source in self._ending.items() if not source.ended.is_set()}
        replaced = [flow for flow in wanted.values() if self._is_outdated(flow)]
        for flow in replaced:
            self._begin(flow)
        if ended or replaced:
            self._quick.hurry()
            self._slow.hurry()

    def show(self) -> Mapping[str, Any]:
        """Every source, as `GET /sources` answers."""
        items = [
            {"flow_id": flow_id, "tenant_id": source.deployment.tenant_id, "type": source.kind.type}
            | dict(source.standing.show())
            for flow_id, source in sorted(self._sources.items())
        ]
        return {"items": items}

    def stop(self) -> None:
        """End all, within about two seconds. What was not acknowledged comes again after the next start."""
        for source in self._sources.values():
            source.stop()
        for turns in (self._quick, self._slow):
            turns.hurry()
        ends = time.monotonic() + END_SECONDS
        for source in self._sources.values():
            source.ended.wait(max(0.0, ends - time.monotonic()))
        for turns in (self._quick, self._slow):
            turns.stop(max(0.0, ends - time.monotonic()))

    def _has_source(self, flow: Deployment) -> bool:
        if flow.listener is None or flow.flow_id in self._desired.asleep or flow.tenant_id not in self._desired.tenants:
            return False
        kind = find_kind(flow, self._catalogue)
        return kind is not None and kind.load is not None and not kind.brought

    def _is_outdated(self, flow: Deployment) -> bool:
        source = self._sources.get(flow.flow_id)
        return source is None or not source.listens_as(flow, self._desired.tenants[flow.tenant_id])

    def _begin(self, flow: Deployment) -> None:
        kind = find_kind(flow, self._catalogue)
        assert kind is not None
        assert kind.load is not None
        previous = self._sources.get(flow.flow_id) or self._ending.get(flow.flow_id)
        source = Source(
            deployment=flow,
            tenant=self._desired.tenants[flow.tenant_id],
            layout=self._layout,
            keys=self._keys,
            kind=kind,
            accept=self._accept,
            predecessor=previous,
            public_url=self._public_url,
        )
        self._sources[flow.flow_id] = source
        if previous is not None:
            previous.stop()
        listen = behind_walls(kind.load(), flow, self._layout)
        if isinstance(listen, Watcher):
            (self._quick if listen.quick else self._slow).add(Watched(source, listen))
        else:
            listen_in_thread(source, listen)


class Removal:
    """Removes the places of a flow that was deleted, once its source has ended."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self.tenant_id = source.deployment.tenant_id
        self._source = source
        self._folder = layout.cursors / source.deployment.flow_id

    def turn(self) -> int | None:
        if not self._source.ended.is_set():
            return time.time_ns() + 100_000_000
        shutil.rmtree(self._folder, ignore_errors=True)
        return None
