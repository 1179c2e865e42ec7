"""One of several candidates works, whoever dies and whatever clocks say."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime

from intellyhub_knative.cluster.leader import Candidate, Terms
from tests.unit.knative.cluster.api_server import ApiServer, Key, running
from tests.unit.knative.cluster.deployer import House

SPEED = 10
TERMS = Terms(duration_seconds=4.0, renewal_seconds=2.0, pause_seconds=0.03)
"""Its first two by the quick clock: 0.4 and 0.2 seconds."""
LEASE = Key("coordination.k8s.io", "leases", "intellyhub", "reconciler")


def quick_clock():
    return time.monotonic() * SPEED


class Office:
    """A candidate, and what it does when it leads."""

    def __init__(self, house, name, log, *, terms=TERMS, **more):
        self.client = house.make_client()
        more = {"namespace": "intellyhub", "identity": name, "terms": terms, "clock": quick_clock} | more
        self.candidate = Candidate(self.client, **more)
        self.name, self.log = name, log
        self.leads, self.ended = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.candidate.serve(self.work))

    async def work(self):
        self.log.append(f"{self.name} begins")
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()
            self.ended.set()
            self.log.append(f"{self.name} ends")

    async def stop(self):
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.client.close()


def drive(tmp_path, story):
    async def tell():
        api = ApiServer()
        api.store(Key("", "namespaces", None, "intellyhub"), {"metadata": {"name": "intellyhub"}})
        async with running(api) as address:
            async with asyncio.timeout(20):
                await story(House(tmp_path, api, address))

    asyncio.run(tell())


def holder(house):
    return house.api.objects[LEASE]["spec"]["holderIdentity"]


def test_one_of_two_leads_and_the_other_follows_at_once_when_it_is_told_to_stop(tmp_path):
    async def story(house):
        log: list[str] = []
        first = Office(house, "first", log)
        await first.leads.wait()
        second = Office(house, "second", log)
        await asyncio.sleep(0.6)  # longer than a Lease holds by itself
        assert (log, holder(house)) == (["first begins"], "first")
        await first.stop()
        assert holder(house) == ""  # it was given up, not left to end
        await second.leads.wait()
        assert log == ["first begins", "first ends", "second begins"]
        await second.stop()

    drive(tmp_path, story)


def test_a_leader_that_is_killed_is_followed_after_the_lease_has_ended(tmp_path):
    async def story(house):
        log: list[str] = []
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "reconciler", "namespace": "intellyhub"},
            "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 1, "leaseTransitions": 7},
        }
        house.api.store(LEASE, lease)
        began = asyncio.get_running_loop().time()
        office = Office(house, "heir", log)
        await office.leads.wait()
        assert asyncio.get_running_loop().time() - began >= 1.0 / SPEED
        assert (holder(house), house.api.objects[LEASE]["spec"]["leaseTransitions"]) == ("heir", 8)
        await office.stop()

    drive(tmp_path, story)


def test_clocks_that_jump_or_differ_change_nothing(tmp_path):
    async def story(house):
        log: list[str] = []
        moments = iter([datetime(year, 1, 1, tzinfo=UTC) for year in (2026, 2099, 1999, 2026) * 100])
        first = Office(house, "first", log, now=lambda: next(moments))
        await first.leads.wait()
        second = Office(house, "second", log, now=lambda: datetime(2199, 1, 1, tzinfo=UTC))
        await asyncio.sleep(0.6)
        assert (log, holder(house)) == (["first begins"], "first")
        await first.stop()
        await second.stop()

    drive(tmp_path, story)


def test_a_leader_that_cannot_reach_the_cluster_stops_before_another_may_begin(tmp_path):
    async def story(house):
        log: list[str] = []
        first = Office(house, "first", log)
        await first.leads.wait()
        began = asyncio.get_running_loop().time()
        house.api.cut()
        await first.ended.wait()
        assert asyncio.get_running_loop().time() - began < TERMS.duration_seconds / SPEED
        assert log == ["first begins", "first ends"]
        house.api.away = False
        await first.leads.wait()
        assert log[2:] == ["first begins"]
        await first.stop()

    drive(tmp_path, story)


def test_a_leader_whose_lease_was_taken_stops(tmp_path):
    async def story(house):
        log: list[str] = []
        first = Office(house, "first", log)
        await first.leads.wait()
        lease = house.api.objects[LEASE]
        spec = {**lease["spec"], "holderIdentity": "usurper", "leaseDurationSeconds": 60}
        house.api.keep("MODIFIED", LEASE, {**lease, "spec": spec})
        await first.ended.wait()
        assert holder(house) == "usurper"
        await first.stop()
        assert holder(house) == "usurper"

    drive(tmp_path, story)


def test_many_candidates_that_begin_at_once_agree_on_one(tmp_path):
    async def story(house):
        log: list[str] = []
        offices = [Office(house, f"candidate {number}", log) for number in range(5)]
        await asyncio.wait([asyncio.create_task(each.leads.wait()) for each in offices], return_when="FIRST_COMPLETED")
        await asyncio.sleep(0.3)
        assert len(log) == 1
        assert sum(each.candidate.leads for each in offices) == 1
        for office in offices:
            await office.stop()

    drive(tmp_path, story)


def test_work_that_fails_ends_the_candidate_and_gives_the_office_up(tmp_path):
    async def story(house):
        async def fail():
            raise OSError("no database")

        client = house.make_client()
        candidate = Candidate(client, namespace="intellyhub", identity="one", terms=TERMS)
        try:
            await candidate.serve(fail)
        except OSError:
            assert holder(house) == ""
        else:
            raise AssertionError("it was swallowed")
        await client.close()

    drive(tmp_path, story)
