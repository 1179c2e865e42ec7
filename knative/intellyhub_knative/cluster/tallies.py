"""How the runs of a new version end, counted from the journal: what decides whether a rollout goes on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Protocol

from intellyhub_engine.errors import JournalError
from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_knative.cluster.rollout import Tally
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.journal.client import AsyncJournalClient

__all__ = ["JournalTallies", "Tallies"]

LOG = logging.getLogger(__name__)
MOST_RUNS = 500
"""The newest ones of the flow; what is older says little about now."""
PAGE = 100
ENDED = frozenset((RunStatus.SUCCEEDED, RunStatus.FAILED))
"""A run that somebody cancelled says nothing about the version."""


class Tallies(Protocol):
    """Counts runs."""

    async def of(self, deployment: Deployment) -> Tally:
        """The runs of the current version that began with the rollout and have ended."""


class JournalTallies:
    """Asks the journal service."""

    def __init__(self, journal: AsyncJournalClient) -> None:
        self._journal = journal

    async def of(self, deployment: Deployment) -> Tally:
        """As promised by `Tallies`; nothing where the journal cannot tell."""
        if deployment.rollout is None:
            return Tally()
        since_ns = nanoseconds(deployment.rollout.began_at)
        found: list[RunSummary] = []
        try:
            while len(found) < MOST_RUNS:
                last = found[-1].run_id if found else None
                page = await self._journal.runs(
                    flow=deployment.journal_name, since_ns=since_ns, limit=PAGE, before=last
                )
                found += page
                if len(page) < PAGE:
                    break
        except JournalError as fault:
            LOG.warning("the runs of %s cannot be counted now: %s", deployment.journal_name, fault)
            return Tally()
        ended = [run for run in found if run.version == deployment.current.digest and run.status in ENDED]
        return Tally(ended=len(ended), failed=sum(run.status is RunStatus.FAILED for run in ended))


def nanoseconds(moment: str) -> int:
    """Since 1970; 0 for what is no time."""
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1e9)
