"""Which of several reconcilers works: the one whose name stands in a Lease (coordination.k8s.io) and who renews it.

As in Kubernetes' own client-go: nobody compares clocks of machines. A candidate takes over when it has itself seen the
Lease unchanged for its whole duration, by a clock that only goes forward; a leader that could not renew stops before.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.errors import ClusterError, Conflict
from intellyhub_knative.cluster.kinds import LEASE

__all__ = ["Candidate", "Terms", "make_identity"]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of an office. Each shorter than the one before it."""

    duration_seconds: float = 15.0
    """For so long a Lease that nobody renews keeps others out."""
    renewal_seconds: float = 10.0
    """A leader that could not renew for so long stops."""
    pause_seconds: float = 2.0
    """Between attempts."""


def make_identity() -> str:
    """A name that no other process has: in a pod, the host's name is the pod's."""
    return f"{socket.gethostname()[:200]}_{secrets.token_hex(4)}"


class Candidate:
    """One who wants the office."""

    def __init__(
        self,
        client: ClusterClient,
        *,
        namespace: str,
        name: str = "reconciler",
        identity: str | None = None,
        terms: Terms | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.identity = identity or make_identity()
        self.leads = False
        self._client = client
        self._namespace, self._name = namespace, name
        self._terms = terms or Terms()
        self._clock, self._now = clock, now
        self._seen: tuple[object, float] = (None, 0.0)

    async def serve(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the office, do the work while holding it, wait again when it is lost; until cancelled, or the work
        ends."""
        while True:
            while not await self._attempt():  # noqa: ASYNC110 - the cluster tells nobody
                await asyncio.sleep(self._terms.pause_seconds)
            LOG.info("%s leads now", self.identity)
            if await self._lead(work):
                return

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """True when the work has ended by itself, False when the office is lost."""
        self.leads, lost = True, False
        working, renewing = asyncio.ensure_future(work()), asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            lost = not working.done()
            if not lost:
                working.result()
            return not lost
        finally:
            self.leads = False
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            if lost:
                LOG.warning("%s leads no more", self.identity)
            else:
                await self._give_up()

    async def _renew(self) -> None:
        """Returns when the office is lost."""
        renewed = self._clock()
        while True:
            await asyncio.sleep(self._terms.pause_seconds)
            left = self._terms.renewal_seconds - (self._clock() - renewed)
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    ours = await self._attempt()
                    if ours is False:
                        return
                    renewed = self._clock() if ours else renewed

    async def _attempt(self) -> bool | None:
        """Take the office or renew it: whether it is ours; None where that cannot be told now."""
        try:
            lease = await self._read()
            if lease is None:
                await self._client.create(LEASE, self._make(None))
                return True
            if self._holder(lease) not in ("", self.identity) and not self._is_over(lease):
                return False
            await self._client.replace(LEASE, self._make(lease))
            return True
        except Conflict:
            return None  # somebody wrote meanwhile: the next attempt sees who
        except ClusterError as fault:
            LOG.warning("the lease %s cannot be taken or renewed: %s", self._name, fault)
            return None

    async def _read(self) -> dict[str, Any] | None:
        return await self._client.get(LEASE, self._name, self._namespace)

    def _holder(self, lease: dict[str, Any] | None) -> str:
        return str((lease or {}).get("spec", {}).get("holderIdentity") or "")

    def _is_over(self, lease: dict[str, Any]) -> bool:
        """Whether we have seen it unchanged for its duration."""
        mark, now = lease["metadata"].get("resourceVersion"), self._clock()
        if self._seen[0] != mark:
            self._seen = (mark, now)
        seconds = lease.get("spec", {}).get("leaseDurationSeconds") or self._terms.duration_seconds
        return now - self._seen[1] >= float(seconds)

    def _make(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict((lease or {}).get("spec") or {})
        changes = spec.get("holderIdentity") != self.identity
        spec |= {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._terms.duration_seconds)),
            "renewTime": moment,
            "acquireTime": moment if changes else spec.get("acquireTime", moment),
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (1 if changes and lease else 0),
        }
        about = (lease or {}).get("metadata") or {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": about, "spec": spec}

    async def _give_up(self) -> None:
        """Leave the office to whoever wants it, rather than to have them wait for its end."""
        with suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(self._terms.pause_seconds):
                lease = await self._read()
                if lease is not None and self._holder(lease) == self.identity:
                    given = self._make(lease)
                    given["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(LEASE, given)
