"""New versions on a cluster: published, rolled out bit by bit, taken back, pinned while their runs go on."""

from dataclasses import replace

from intellyhub_knative.cluster.rollout import Tally
from intellyhub_knative.platform.deployments import Rollout
from tests.unit.knative.cluster.deployer import drive, make_flow, make_tenant, with_versions

BEGAN = "2026-01-01T00:00:00+00:00"


def fails(*numbers):
    """Revisions of these versions do not start."""

    def outcome(revision):
        broken = int(revision["metadata"]["labels"]["intellyhub.dev/version"]) in numbers
        return (False, "ExitCode3", "Container failed with: no such module") if broken else (True, "", "")

    return outcome


def pends(*numbers):
    """Revisions of these versions take their time."""

    def outcome(revision):
        return (None if int(revision["metadata"]["labels"]["intellyhub.dev/version"]) in numbers else True), "", ""

    return outcome


async def publish(house, flow):
    house.put(flow)
    await house.until(lambda: house.is_ready(flow))


def test_a_new_version_is_a_new_revision_which_gets_everything_when_it_is_ready(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            second = with_versions(make_flow(), 2)
            house.knative.outcome = pends(2)
            house.put(second)
            await house.until(lambda: house.status(second)["version"] == 2)
            assert (house.routed(second), house.status(second)["serves"]) == ({"v1": 100}, True)
            house.knative.outcome = pends()
            house.knative.go_on()
            await house.until(lambda: house.routed(second) == {"v2": 100} and house.is_ready(second))
        assert len(house.api.of("revisions")) == 2

    drive(tmp_path, story)


def test_a_version_that_does_not_start_takes_no_request_from_the_one_before(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            house.knative.outcome = fails(2)
            second = with_versions(make_flow(), 2)
            house.put(second)
            await house.until(lambda: house.status(second)["state"] == "failed")
            status = house.status(second)
            assert (status["serves"], status["routed"], status["reason"]) == (True, {"v1": 100}, "Crashed")
            assert "no such module" in status["message"]
            assert "Requests go on to v1." in status["message"]

    drive(tmp_path, story)


def test_a_rollback_takes_effect_at_once_before_the_new_revision_is_ready(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            await publish(house, with_versions(make_flow(), 2))
            back = with_versions(make_flow(), 1)
            house.knative.outcome = pends(1)  # the revision that is made now takes its time
            house.put(back)
            await house.until(lambda: house.routed(back) == {"v1": 100})
            house.knative.outcome = pends()
            house.knative.go_on()
            await house.until(lambda: house.is_ready(back))
            [target] = house.service(back)["spec"]["traffic"]
            assert target["latestRevision"] is True  # and the next version will get its requests

    drive(tmp_path, story)


def test_a_version_with_unfinished_runs_stays_reachable_by_its_tag(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            both = with_versions(make_flow(), 2, 1)
            await publish(house, both)
            await house.until(lambda: set(house.status(both)["urls"]) == {"v1", "v2"})
            tags = {target.get("tag"): target["percent"] for target in house.service(both)["spec"]["traffic"]}
            assert tags == {"v2": 100, "v1": 0}
            url = house.status(both)["urls"]["v1"]
            assert url == f"http://v1-flow1-11111111.{house.namespace}.svc.cluster.local"
            await publish(house, with_versions(make_flow(), 2))
            await house.until(lambda: len(house.service(both)["spec"]["traffic"]) == 1)

    drive(tmp_path, story)


def test_a_version_that_the_cluster_has_lost_is_made_again_and_gets_no_new_requests(tmp_path):
    async def story(house):
        flow = make_flow(numbers=(3, 2, 1))
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            await house.until(lambda: set(house.status(flow)["urls"]) == {"v1", "v2", "v3"})
            assert house.routed(flow) == {"v3": 100}
        versions = [each["metadata"]["labels"]["intellyhub.dev/version"] for each in house.api.of("revisions")]
        assert versions == ["1", "2", "3"]

    drive(tmp_path, story)


def test_an_older_version_is_made_again_beside_one_that_serves(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(2,)))
            both = with_versions(make_flow(), 2, 1)
            house.put(both)
            await house.until(lambda: "v1" in house.status(both)["urls"])
            await house.until(lambda: house.is_ready(both))
            assert house.routed(both) == {"v2": 100}

    drive(tmp_path, story)


def rolling(*, percent=10, step=0, interval=60.0, began=BEGAN, failures=20.0):
    rollout = Rollout(
        stable=1, percent=percent, step=step, interval_seconds=interval, max_failures_percent=failures, began_at=began
    )
    return replace(with_versions(make_flow(), 2, 1), rollout=rollout)


def test_a_rollout_gives_the_new_version_its_percentage_and_each_a_tag(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            flow = rolling(percent=10)
            await publish(house, flow)
            await house.until(lambda: house.routed(flow) == {"v2": 10, "v1": 90})
            assert set(house.status(flow)["urls"]) == {"v1", "v2"}
            house.put(replace(flow, rollout=None))
            await house.until(lambda: house.routed(flow) == {"v2": 100})

    drive(tmp_path, story)


def test_a_rollout_goes_on_step_by_step_to_its_end(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            flow = rolling(percent=20, step=40, interval=60.0)
            await publish(house, flow)
            await house.until(lambda: house.status(flow)["rollout"]["stepped_at"])
            assert house.routed(flow) == {"v2": 20, "v1": 80}
            house.later(61)
            await house.until(lambda: house.routed(flow) == {"v2": 60, "v1": 40})
            house.later(61)
            await house.until(lambda: house.routed(flow) == {"v2": 100})
            assert house.status(flow)["rollout"]["phase"] == "done"

    drive(tmp_path, story)


def test_a_reconciler_that_starts_again_goes_on_with_a_rollout_where_it_was(tmp_path):
    async def story(house):
        house.put(make_tenant())
        flow = rolling(percent=20, step=40, interval=60.0)
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            await publish(house, flow)
            await house.until(lambda: house.status(flow)["rollout"]["stepped_at"])
            house.later(61)
            await house.until(lambda: house.routed(flow) == {"v2": 60, "v1": 40})
        async with house.working() as reconciler:
            await house.until(lambda: reconciler.passes["flow"] > 2)
            assert house.routed(flow) == {"v2": 60, "v1": 40}

    drive(tmp_path, story)


def test_a_rollout_whose_version_does_not_start_is_taken_back_by_itself(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            house.knative.outcome = fails(2)
            flow = rolling(percent=10)
            house.put(flow)
            await house.until(lambda: house.status(flow)["rollout"]["phase"] == "rolled_back")
            await house.until(lambda: house.routed(flow) == {"v1": 100})
            assert "no such module" in house.status(flow)["message"]
            back = with_versions(make_flow(), 1)  # what the control plane makes of it
            house.knative.outcome = fails()
            await publish(house, back)
            assert house.routed(back) == {"v1": 100}

    drive(tmp_path, story)


def test_a_rollout_is_not_taken_back_because_there_was_no_room_for_a_pod(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working() as reconciler:
            await publish(house, make_flow(numbers=(1,)))
            house.knative.outcome = lambda revision: (
                (True, "", "")
                if int(revision["metadata"]["labels"]["intellyhub.dev/version"]) == 1
                else (False, "FailedCreate", "pods is forbidden: exceeded quota: intellyhub, requested: pods=1")
            )
            flow = rolling(percent=10)
            house.put(flow)
            await house.until(lambda: house.status(flow)["reason"] == "QuotaExceeded")
            looked = reconciler.passes["flow"]
            await house.until(lambda: reconciler.passes["flow"] > looked + 3)
            assert house.status(flow)["rollout"]["phase"] == "running"
            house.knative.outcome = fails()
            house.knative.go_on()
            await house.until(lambda: house.routed(flow) == {"v2": 10, "v1": 90})

    drive(tmp_path, story)


def test_a_rollout_whose_runs_fail_is_taken_back_by_itself(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            flow = rolling(percent=50, failures=20.0)
            await publish(house, flow)
            await house.until(lambda: house.routed(flow) == {"v2": 50, "v1": 50})
            house.tallies.tally = Tally(ended=10, failed=2)
            house.later(1)
            await house.until(lambda: house.status(flow)["rollout"]["phase"] == "running")
            house.tallies.tally = Tally(ended=11, failed=3)
            await house.until(lambda: house.routed(flow) == {"v1": 100})
            assert "3 of its 11 runs failed, 20 % are allowed" in house.status(flow)["message"]

    drive(tmp_path, story)


def test_another_percentage_is_another_rollout_of_the_same_version(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await publish(house, make_flow(numbers=(1,)))
            await publish(house, rolling(percent=10))
            again = rolling(percent=70, began="2026-01-01T01:00:00+00:00")
            house.put(again)
            await house.until(lambda: house.routed(again) == {"v2": 70, "v1": 30})

    drive(tmp_path, story)
