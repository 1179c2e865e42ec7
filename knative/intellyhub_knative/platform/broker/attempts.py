"""One attempt to deliver an event: which version of the flow gets it, and what comes of it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_knative.platform.broker.journal import BrokerJournal
from intellyhub_knative.platform.broker.letters import make_letter
from intellyhub_knative.platform.broker.verdicts import Elsewhere, Failure, Later, Verdict, judge, retry_or_bury
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.flow_socket import NoAnswer, NobodyThere
from intellyhub_knative.platform.flows import Flows
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.outbox import Due, Outcome, Settlement
from intellyhub_knative.platform.outgoing import Outgoing

__all__ = ["Attempts"]

MAX_ANSWER_BYTES = 16 << 20
"""An answer is at most one event."""
NEW = (None,)
"""The version of a new event: while a rollout is on, one or the other."""
UNFINISHED = (RunStatus.RUNNING, RunStatus.WAITING)


class Attempts:
    """Makes attempts."""

    def __init__(self, *, flows: Flows, keys: Keys, journal: BrokerJournal) -> None:
        self._flows = flows
        self._keys = keys
        self._journal = journal

    async def make(self, due: Due, deployment: Deployment) -> Settlement | Later:
        """Deliver to every version that has to have the event; the first that does not take it decides."""
        verdict: Settlement | Later = Settlement(due.delivery_id, Outcome.DELIVERED)
        replied: Settlement | None = None
        for version in await self._versions_for(due, deployment):
            verdict = await self._deliver(due, deployment, version)
            if isinstance(verdict, Later) or verdict.outcome is not Outcome.DELIVERED:
                return verdict
            replied = verdict if verdict.reply is not None else replied
        return replied or verdict

    async def _versions_for(self, due: Due, deployment: Deployment) -> Sequence[Version | None]:
        """Whichever takes new events (None); where runs wait for the event, or were woken by it, or began with it,
        theirs. Nothing where all that it woke are of versions that are gone: it has done its work. Who waits is asked
        for first: a run that is woken meanwhile is then among the woken."""
        if len(deployment.versions) == 1:
            return NEW
        waiting = await self._journal.waiting_runs(due.event, under=deployment.journal_name)
        woken = await self._journal.woken_runs(due.event, flow=deployment.journal_name)
        found = find_versions(deployment, [*(run for run in waiting if run.flow == deployment.journal_name), *woken])
        if found or woken:
            return found
        if due.attempt > 1:
            run = await self._journal.find_run(deployment.journal_name, due.event.source, due.event.id)
            if run is not None and run.status in UNFINISHED:
                return find_versions(deployment, [run]) or NEW
        return NEW

    async def _deliver(self, due: Due, deployment: Deployment, version: Version | None) -> Settlement | Later:
        """To this version, or to the one that it names."""
        verdict = await self._ask(due, deployment, version)
        if isinstance(verdict, Elsewhere):
            other = deployment.version_of(verdict.digest)
            if other is not None and other != version:
                verdict = await self._ask(due, deployment, other)
        if isinstance(verdict, Elsewhere):
            return Settlement(
                due.delivery_id,
                Outcome.DEAD,
                code=verdict.failure.code,
                error=f"{verdict.failure.error}; that version ({verdict.digest[:12]}) is no longer deployed",
            )
        return verdict

    async def _ask(self, due: Due, deployment: Deployment, version: Version | None) -> Verdict:
        now_ns = time.time_ns()
        key = self._keys.token(Purpose.DELIVERY, deployment.journal_name).encode()
        letter = make_letter(due, deployment.tenant_slug, key, now_ns / 1e9)
        policy = deployment.delivery
        request = Outgoing("POST", "/", tuple(letter.headers.items()), letter.body)
        try:
            answer = await self._flows.ask(
                deployment, version, request, timeout_seconds=policy.timeout_seconds, max_bytes=MAX_ANSWER_BYTES
            )
        except NobodyThere as fault:
            return Later(0.0, Failure(f"the flow cannot be reached: {fault}"))
        except (NoAnswer, ValueError) as fault:
            failure = Failure(str(fault))
            return retry_or_bury(failure, due, policy, now_ns=time.time_ns(), chance=random.random())
        return judge(answer, due, policy, now_ns=time.time_ns(), chance=random.random())


def find_versions(deployment: Deployment, runs: Sequence[RunSummary]) -> list[Version]:
    """The versions of these runs that are still deployed, each once."""
    found = [deployment.version_of(run.version) for run in runs]
    return list(dict.fromkeys(version for version in found if version is not None))
