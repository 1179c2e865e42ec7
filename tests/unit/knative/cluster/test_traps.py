"""What a real cluster does to those who do not expect it, each with what is done against it."""

import logging
import time
from dataclasses import replace

import pytest
from kmock import KubernetesError

from tests.unit.knative.cluster.api_server import Key
from tests.unit.knative.cluster.deployer import BOB, drive, make_flow, make_tenant, with_versions
from tests.unit.knative.cluster.knative import EVENTING, FAR_APART_SECONDS, SERVING


def service_key(house, flow):
    return Key(SERVING, "services", house.namespace, house.service(flow)["metadata"]["name"])


def test_triggers_are_deleted_one_at_a_time_so_that_none_stays_in_the_channel(tmp_path):
    async def story(house):
        flows = [make_flow(letter) for letter in "12345"]
        house.put(make_tenant(), *flows)
        moments = []
        loop_time = house.knative.unsubscribe

        def note(key, item):
            before = house.knative.last_deletion.get(key.namespace, 0.0)
            loop_time(key, item)
            moments.append(house.knative.last_deletion[key.namespace] - before)

        house.knative.unsubscribe = note
        async with house.working() as reconciler:
            await house.until(lambda: all(map(house.is_ready, flows)))
            for flow in flows[1:]:
                house.drop(flow)
            await house.until(lambda: len(house.api.of("triggers")) == 1)
            await house.until(lambda: len(house.api.of("services")) == 1)
            assert reconciler._tenants.repaired == 0
        assert len(moments) == 4
        assert min(moments) > FAR_APART_SECONDS
        assert house.knative.subscribers(house.namespace) == [house.api.of("triggers")[0]["metadata"]["uid"]]

    drive(tmp_path, story)


def test_subscribers_that_somebody_else_left_behind_are_found_and_repaired(tmp_path):
    async def story(house):
        flow = make_flow("1")
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
        for letter in "23":  # two Triggers of somebody, deleted at once
            spec = {"broker": "default", "subscriber": {"ref": {"name": house.service(flow)["metadata"]["name"]}}}
            key = Key(EVENTING, "triggers", house.namespace, f"theirs{letter}")
            about = {"name": key.name, "namespace": house.namespace}
            given = {"apiVersion": f"{EVENTING}/v1", "kind": "Trigger", "metadata": about, "spec": spec}
            house.api.apply(key, given, "kubectl")
        for letter in "23":
            house.api.remove(Key(EVENTING, "triggers", house.namespace, f"theirs{letter}"))
        [mine] = [each["metadata"]["uid"] for each in house.api.of("triggers")]
        assert len(house.knative.subscribers(house.namespace)) == 2  # the bug
        async with house.working() as reconciler:
            await house.until(lambda: reconciler._tenants.repaired == 1)
            await house.until(lambda: house.knative.subscribers(house.namespace) == [mine])

    drive(tmp_path, story)


def test_a_subscriber_that_is_only_slow_to_go_is_no_orphan(tmp_path):
    async def story(house):
        flows = [make_flow("1"), make_flow("2")]
        house.put(make_tenant(), *flows)
        async with house.working() as reconciler:
            await house.until(lambda: all(map(house.is_ready, flows)))
            house.drop(flows[1])
            await house.until(lambda: len(house.api.of("services")) == 1)
            assert reconciler._tenants.repaired == 0
        assert ("delete", "messaging.knative.dev", "inmemorychannels") not in {each[:3] for each in house.api.asked}

    drive(tmp_path, story)


def test_a_broker_whose_configuration_changes_is_made_anew(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working():
            await house.until(lambda: house.tenant_status().get("ready"))
        [before] = house.api.of("brokers")
        house.settings = replace(house.settings, broker_config={"kind": "ConfigMap", "name": "kafka"})
        async with house.working():
            await house.until(lambda: house.api.of("brokers")[0]["spec"].get("config"))
        [after] = house.api.of("brokers")
        assert after["metadata"]["uid"] != before["metadata"]["uid"]

    drive(tmp_path, story)


def test_what_others_change_in_our_fields_is_put_back_and_told(tmp_path, caplog):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working() as reconciler:
            await house.until(lambda: house.is_ready(flow))
            mine = house.service(flow)["spec"]["template"]["spec"]["containers"]
            theirs = {"spec": {"template": {"spec": {"containers": [{"image": "theirs"}]}}}}
            house.api.apply(service_key(house, flow), theirs, "eventing-webhook", force=True)
            await house.until(lambda: house.service(flow)["spec"]["template"]["spec"]["containers"] == mine)
            assert reconciler._client.conflicts == {"Service": 1}

    with caplog.at_level(logging.WARNING):
        drive(tmp_path, story)
    assert 'conflict with "eventing-webhook": .spec.template.spec.containers' in caplog.text


def test_what_others_add_beside_our_fields_stays(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            note = {"metadata": {"annotations": {"team.test/note": "keep"}}}
            house.api.apply(service_key(house, flow), note, "kubectl")
            house.put(with_versions(flow, 2))
            await house.until(lambda: house.is_ready(with_versions(flow, 2)))
        assert house.service(flow)["metadata"]["annotations"]["team.test/note"] == "keep"

    drive(tmp_path, story)


def test_defaults_of_the_webhook_are_no_conflict_and_no_new_revision(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        for _ in range(2):
            async with house.working() as reconciler:
                await house.until(lambda: house.is_ready(flow) and not reconciler.queue.waiting)
                assert reconciler._client.conflicts == {}
        assert house.service(flow)["metadata"]["annotations"]["serving.knative.dev/creator"] == "reconciler"
        assert len(house.api.of("revisions")) == 1

    drive(tmp_path, story)


def test_a_namespace_that_somebody_deletes_comes_back_with_everything_in_it(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            before = house.service(flow)["metadata"]["uid"]
            house.api.remove(Key("", "namespaces", None, house.namespace))
            await house.until(lambda: house.service(flow)["metadata"]["uid"] != before)
            await house.until(lambda: house.api.names("triggers") == ["flow1-11111111"])
            await house.until(lambda: house.is_ready(flow))
        assert "flow1-11111111-keys" in house.api.names("secrets")

    drive(tmp_path, story)


def test_a_namespace_that_comes_to_its_end_is_waited_for(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), make_tenant(BOB), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
        key = Key("", "namespaces", None, house.namespace)
        ending = house.api.objects[key]
        house.api.keep("MODIFIED", key, {**ending, "metadata": {**ending["metadata"], "deletionTimestamp": "now"}})
        async with house.working() as reconciler:
            await house.until(lambda: reconciler.passes["tenant"] > 4)
            house.api.remove(key)
            await house.until(lambda: house.api.names("services") == ["flow1-11111111"])

    drive(tmp_path, story)


def test_a_service_that_somebody_deletes_comes_back(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            before = house.service(flow)["metadata"]["uid"]
            house.api.remove(service_key(house, flow))
            await house.until(lambda: house.service(flow).get("metadata", {}).get("uid", before) != before)
            await house.until(lambda: "flow1-11111111-secrets" in house.api.names("secrets"))
            await house.until(lambda: house.is_ready(flow))

    drive(tmp_path, story)


def test_what_happened_while_the_api_was_away_is_made_good(tmp_path):
    async def story(house):
        flow, late = make_flow("1"), make_flow("2")
        house.put(make_tenant(), flow)
        async with house.working() as reconciler:
            await house.until(lambda: house.is_ready(flow))
            house.api.cut()
            house.put(late)
            await house.until(lambda: reconciler.queue.failing)
            theirs = {"spec": {"template": {"spec": {"containers": [{"image": "theirs"}]}}}}
            house.api.apply(service_key(house, flow), theirs, "kubectl", force=True)
            house.api.away = False
            await house.until(lambda: house.is_ready(late))
            await house.until(
                lambda: house.service(flow)["spec"]["template"]["spec"]["containers"][0]["image"] != "theirs"
            )

    drive(tmp_path, story)


def test_watches_that_are_refused_each_time_are_not_asked_for_without_a_pause(tmp_path):
    async def story(house):
        house.regularity = replace(house.regularity, watch_pause=0.1)
        house.api.remembered = 2**40
        house.put(make_tenant())

        began = time.monotonic()
        async with house.working():
            await house.until(lambda: sum(each[0] == "watch" for each in house.api.asked) > 3)
        assert time.monotonic() - began > 0.3

    drive(tmp_path, story)


def test_a_watch_that_is_too_old_begins_anew(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        gone = KubernetesError(status=410, reason="Expired", message="too old resource version: 1 (2)")
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            house.api.answers += [(f"/{SERVING}/v1/services", gone)]
            watches = sum(each[0] == "watch" for each in house.api.asked)
            house.api.cut()
            house.api.away = False
            await house.until(lambda: sum(each[0] == "watch" for each in house.api.asked) > watches)
            house.api.remove(service_key(house, flow))
            await house.until(lambda: house.service(flow))

    drive(tmp_path, story)


@pytest.mark.parametrize(
    "error",
    [
        KubernetesError(status=429, reason="TooManyRequests", message="slow down"),
        KubernetesError(status=503, reason="ServiceUnavailable", message="apiserver is shutting down"),
        KubernetesError(status=500, reason="InternalError", message="etcdserver: request timed out"),
        KubernetesError(status=409, reason="AlreadyExists", message="object is being deleted"),
    ],
)
def test_a_fault_that_passes_is_survived(tmp_path, error):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        house.api.answers += [("PATCH", error)] * 3
        async with house.working():
            await house.until(lambda: house.is_ready(flow))

    drive(tmp_path, story)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            KubernetesError(
                status=500, reason="", message="failed to create typed patch object (...): .spec.x: field not declared"
            ),
            "field not declared",
        ),
        (
            KubernetesError(status=400, reason="BadRequest", message="validation failed: must not set the field(s): y"),
            "y",
        ),
        (KubernetesError(status=403, reason="Forbidden", message='cannot patch resource "services"'), "cannot patch"),
    ],
)
def test_a_refusal_is_told_in_the_status_and_stops_no_other_flow(tmp_path, error, told):
    async def story(house):
        refused, good = make_flow("1"), make_flow("2")
        house.put(make_tenant(), refused, good)
        house.api.answers += [
            ("PATCH /apis/serving.knative.dev/v1/namespaces/ih-aaa-aaaaaaaa/services/flow1", error)
        ] * 50
        async with house.working():
            await house.until(lambda: house.is_ready(good))
            await house.until(lambda: told in house.status(refused)["message"])
            assert house.status(refused)["state"] == "failed"

    drive(tmp_path, story)


def test_a_trigger_that_was_made_before_its_subscriber_gets_its_own_time(tmp_path):
    """It stays broken for half a minute on a real cluster; the status says so, so that nobody sends events there."""

    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        house.knative.subscribe = lambda key, item: house.knative.ready(
            key, False, "Unable to get the URI", "not found"
        )
        async with house.working() as reconciler:
            await house.until(lambda: house.status(flow)["trigger"] == {"ready": False, "version": 1})
            passes = reconciler.passes["flow"]
            del house.knative.subscribe
            house.knative.go_on()
            await house.until(lambda: house.is_ready(flow))
            assert reconciler.passes["flow"] > passes

    drive(tmp_path, story)
