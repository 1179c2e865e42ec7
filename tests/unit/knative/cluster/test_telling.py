"""What the cluster says of a flow, as its status tells it."""

from tests.unit.knative.cluster.api_server import Key
from tests.unit.knative.cluster.deployer import drive, make_flow, make_tenant
from tests.unit.knative.cluster.knative import make_pod


def test_pods_tell_why_long_before_the_revision_does(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        house.knative.outcome = lambda revision: (None, "Deploying", "")
        async with house.working():
            await house.until(lambda: house.api.names("revisions"))
            [revision] = house.api.names("revisions")
            waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "registry.test/flows"'}
            pod = make_pod("pod", revision, containerStatuses=[{"state": {"waiting": waiting}}])
            house.api.store(Key("", "pods", house.namespace, "pod"), pod)
            await house.until(lambda: house.status(flow)["state"] == "failing")
            assert house.status(flow)["reason"] == "ImageMissing"
            assert "Check that the registry can be reached" in house.status(flow)["message"]
            house.api.remove(Key("", "pods", house.namespace, "pod"))
            house.knative.outcome = lambda revision: (True, "", "")
            house.knative.go_on()
            await house.until(lambda: house.is_ready(flow))
            assert house.status(flow)["message"] == ""

    drive(tmp_path, story)


def test_a_mount_that_waits_for_a_secret_is_told_by_an_event(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        house.knative.outcome = lambda revision: (None, "Deploying", "")
        async with house.working():
            await house.until(lambda: house.api.names("revisions"))
            [revision] = house.api.names("revisions")
            pod = make_pod("pod", revision, containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}])
            event = {
                "metadata": {"name": "event"},
                "involvedObject": {"kind": "Pod", "name": "pod"},
                "type": "Warning",
                "reason": "FailedMount",
                "message": 'MountVolume.SetUp failed for volume "s" : secret "flow1-secrets" not found',
            }
            house.api.store(Key("", "events", house.namespace, "event"), event)
            house.api.store(Key("", "pods", house.namespace, "pod"), pod)
            await house.until(lambda: house.status(flow)["reason"] == "SecretMissing")

    drive(tmp_path, story)


def test_what_the_cluster_gives_up_is_told_with_its_reason(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        quota = 'pods "x" is forbidden: exceeded quota: intellyhub, requested: pods=1, used: pods=6, limited: pods=6'
        house.knative.outcome = lambda revision: (False, "FailedCreate", quota)
        async with house.working():
            await house.until(lambda: house.status(flow)["state"] == "failed")
            assert house.status(flow)["reason"] == "QuotaExceeded"
            assert house.api.names("triggers") == []

    drive(tmp_path, story)


def test_what_the_pods_said_is_not_forgotten_when_the_cluster_gives_up_without_a_reason(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        house.knative.outcome = lambda revision: (None, "Deploying", "")
        async with house.working():
            await house.until(lambda: house.api.names("revisions"))
            [revision] = house.api.names("revisions")
            waiting = {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}
            pod = make_pod("pod", revision, containerStatuses=[{"state": {"waiting": waiting}}])
            house.api.store(Key("", "pods", house.namespace, "pod"), pod)
            await house.until(lambda: house.status(flow)["reason"] == "SecretMissing")
            house.api.remove(Key("", "pods", house.namespace, "pod"))
            deadline = (False, "ProgressDeadlineExceeded", "Initial scale was never achieved")
            house.knative.outcome = lambda revision: deadline
            house.knative.go_on()
            await house.until(lambda: house.status(flow)["state"] == "failed")
            assert (house.status(flow)["reason"], "not found" in house.status(flow)["message"]) == (
                "SecretMissing",
                True,
            )

    drive(tmp_path, story)


def test_a_status_is_written_once_for_each_thing_it_has_to_say(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        written = []
        write = house.statuses.write

        async def note(kind, name, document):
            written.append((kind.value, {key: value for key, value in document.items() if key != "since"}))
            await write(kind, name, document)

        house.statuses.write = note
        for _ in range(2):
            async with house.working() as reconciler:
                await house.until(lambda: house.is_ready(flow) and not reconciler.queue.waiting)
        assert ("tenant", {"namespace": house.namespace, "ready": True, "message": ""}) in written
        assert [each for number, each in enumerate(written) if each in written[:number]] == []

    drive(tmp_path, story)
