"""A flow from its record to its Service, and back to nothing."""

import asyncio
from base64 import b64decode
from dataclasses import replace

from intellyhub_knative.cluster.verbs import USED
from intellyhub_knative.manifests.names import names_of
from tests.unit.knative.cluster.api_server import Key
from tests.unit.knative.cluster.deployer import ADA, BOB, drive, image, make_flow, make_tenant, with_versions
from tests.unit.knative.cluster.knative import SERVING, make_pod

SCHEDULE = {"type": "schedule", "cron": "*/5 * * * *"}
MQTT = {"type": "mqtt", "broker": "mqtt.test", "topic": "t"}


def test_a_record_becomes_all_objects_and_a_status_that_says_ready(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
        assert house.api.names("namespaces") == [house.namespace]
        assert house.api.names("services") == ["flow1-11111111"]
        assert house.api.names("triggers") == ["flow1-11111111"]
        assert house.status(flow)["url"] == f"http://flow1-11111111.{house.namespace}.svc.cluster.local"
        assert house.routed(flow) == {"v1": 100}

    drive(tmp_path, story)


def test_objects_are_made_in_the_order_that_loses_nothing(tmp_path):
    async def story(house):
        flow = make_flow(listener=SCHEDULE)
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
        made = list(dict.fromkeys(plural for verb, _, plural, _, _ in house.api.asked if verb == "patch"))
        before = ["namespaces", "limitranges", "resourcequotas", "serviceaccounts", "secrets", "services"]
        assert [each for each in made if each in before] == before
        assert made.index("services") < made.index("triggers") < made.index("pingsources")
        assert made.index("brokers") < made.index("triggers")

    drive(tmp_path, story)


def test_nothing_sends_events_to_a_service_before_it_is_ready(tmp_path):
    async def story(house):
        flow = make_flow(listener=SCHEDULE)
        house.knative.outcome = lambda revision: (None, "Deploying", "")
        house.put(make_tenant(), flow)
        async with house.working() as reconciler:
            await house.until(lambda: reconciler.passes["flow"] > 3 and house.status(flow)["state"] == "deploying")
            assert house.api.names("triggers") == house.api.names("pingsources") == []
            house.knative.outcome = lambda revision: (True, "", "")
            house.knative.go_on()
            await house.until(lambda: house.is_ready(flow))
        assert house.api.names("pingsources") == ["flow1-11111111-tick"]
        assert house.status(flow)["trigger"]["ready"] is True

    drive(tmp_path, story)


def test_a_generation_that_the_controller_has_not_seen_counts_as_not_ready(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            house.knative.lagging = True
            house.put(with_versions(flow, 2))
            await house.until(lambda: house.status(flow)["version"] == 2 and house.status(flow)["state"] == "deploying")
            assert house.status(flow)["serves"] is True
            house.knative.go_on()
            await house.until(lambda: house.is_ready(with_versions(flow, 2)))

    drive(tmp_path, story)


def test_a_second_reconciler_finds_nothing_to_change(tmp_path):
    async def story(house):
        flow = make_flow(listener=SCHEDULE)
        house.put(make_tenant(), flow)
        async with house.working() as reconciler:
            await house.until(lambda: house.is_ready(flow) and not reconciler.queue.waiting)
        before = {key: item["metadata"]["resourceVersion"] for key, item in house.api.objects.items()}
        async with house.working() as reconciler:
            await house.until(lambda: reconciler.passes["flow"] > 1 and not reconciler.queue.waiting)
            await asyncio.sleep(0.1)
        after = {key: item["metadata"]["resourceVersion"] for key, item in house.api.objects.items()}
        assert {key for key in after if after[key] != before.get(key)} == set()
        assert len(house.api.of("revisions")) == 1

    drive(tmp_path, story)


def test_what_stands_already_is_not_asked_for_again(tmp_path):
    async def story(house):
        flow = make_flow()
        house.put(make_tenant(), flow)
        async with house.working() as reconciler:
            await house.until(lambda: house.is_ready(flow))
            await asyncio.sleep(0.1)
            house.api.asked.clear()
            passes = reconciler.passes["flow"]
            house.put(replace(flow, name="Another name"))  # which no object has
            await house.until(lambda: reconciler.passes["flow"] > passes)
            await asyncio.sleep(0.05)
        assert [each for each in house.api.asked if each[0] == "patch"] == []

    drive(tmp_path, story)


def test_a_flow_that_is_removed_leaves_nothing_behind(tmp_path):
    async def story(house):
        flow, other = make_flow("1", listener=SCHEDULE), make_flow("2")
        house.put(make_tenant(), flow, other)
        async with house.working():
            await house.until(lambda: house.is_ready(flow) and house.is_ready(other))
            house.drop(flow)
            await house.until(lambda: not [key for key in house.api.objects if "flow1" in key.name])
            await house.until(lambda: not house.status(flow))
            assert house.is_ready(other)
        assert house.api.names("services") == ["flow2-22222222"]

    drive(tmp_path, story)


def test_a_flow_that_never_got_a_service_leaves_nothing_behind_either(tmp_path):
    async def story(house):
        flow, other = replace(make_flow("1"), concurrency=0), make_flow("2")
        house.put(make_tenant(), flow, other)
        async with house.working():
            await house.until(lambda: house.is_ready(other) and house.status(flow)["state"] == "failed")
            assert "flow1-11111111-keys" in house.api.names("secrets")
            house.drop(flow)
            await house.until(lambda: not [key for key in house.api.objects if "flow1" in key.name])

    drive(tmp_path, story)


def test_a_deleted_tenant_leaves_nothing_behind_and_others_stay(tmp_path):
    async def story(house):
        mine, theirs = make_flow("1"), make_flow("2", tenant_id=BOB, tenant_slug="bbb")
        house.put(make_tenant(), make_tenant(BOB), mine, theirs)
        async with house.working():
            await house.until(lambda: house.is_ready(mine) and house.is_ready(theirs))
            house.drop(mine)
            house.drop(make_tenant())
            await house.until(lambda: house.namespace not in house.api.names("namespaces"))
            await house.until(lambda: not house.tenant_status(ADA))
            assert house.is_ready(theirs)
        assert [key for key in house.api.objects if key.namespace == house.namespace] == []
        assert house.api.names("services") == ["flow2-22222222"]

    drive(tmp_path, story)


def test_a_tenant_that_went_while_nobody_worked_is_found_and_deleted(tmp_path):
    async def story(house):
        house.put(make_tenant(), make_tenant(BOB))
        async with house.working():
            await house.until(lambda: len(house.api.names("namespaces")) == 2)
        house.drop(make_tenant())
        async with house.working():
            await house.until(lambda: len(house.api.names("namespaces")) == 1)

    drive(tmp_path, story)


def test_no_namespace_is_deleted_while_the_desired_state_is_empty_or_not_whole(tmp_path):
    async def story(house):
        house.put(make_tenant(), make_tenant(BOB))
        async with house.working():
            await house.until(lambda: len(house.api.names("namespaces")) == 2)
        house.drop(make_tenant())
        house.drop(make_tenant(BOB))
        async with house.working() as reconciler:  # a database that is being restored
            await house.until(lambda: reconciler.passes["gone"] > 4)
        house.whole = False
        house.put(make_tenant(BOB))
        async with house.working() as reconciler:
            await house.until(lambda: reconciler.passes["gone"] > 2)
        assert len(house.api.names("namespaces")) == 2

    drive(tmp_path, story)


def test_the_last_tenant_is_deleted_too_where_somebody_has_said_that_it_was(tmp_path):
    async def story(house):
        house.put(make_tenant())
        async with house.working() as reconciler:
            await house.until(lambda: house.api.names("namespaces"))
            house.drop(make_tenant())
            await house.until(lambda: reconciler.passes["gone"] > 2)
            assert house.api.names("namespaces")
            house.farewells.gone.add(ADA)
            await house.until(lambda: not house.api.names("namespaces"))
            await house.until(lambda: not house.farewells.gone)

    drive(tmp_path, story)


def test_a_namespace_of_somebody_else_is_never_touched(tmp_path):
    async def story(house):
        about = {"name": house.namespace, "labels": {"team": "theirs"}}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": about}
        house.api.apply(Key("", "namespaces", None, house.namespace), manifest, "kubectl")
        house.put(make_tenant(), make_tenant(BOB))
        async with house.working() as reconciler:
            await house.until(lambda: "belongs to somebody else" in house.tenant_status()["message"])
            house.drop(make_tenant())
            await house.until(lambda: reconciler.passes["gone"] > 1)
        assert [key for key in house.api.objects if key.namespace == house.namespace] == []
        assert house.namespace in house.api.names("namespaces")

    drive(tmp_path, story)


def test_a_service_of_somebody_else_under_the_same_name_is_left_alone(tmp_path):
    async def story(house):
        flow, other = make_flow("1"), make_flow("2")
        house.put(make_tenant(), other)
        async with house.working():
            await house.until(lambda: house.is_ready(other))
            about = {"name": "flow1-11111111", "namespace": house.namespace}
            theirs = {"apiVersion": f"{SERVING}/v1", "kind": "Service", "metadata": about}
            spec = {"template": {"metadata": {}, "spec": {"containers": [{"image": "theirs"}]}}}
            key = Key(SERVING, "services", house.namespace, "flow1-11111111")
            house.api.apply(key, theirs | {"spec": spec}, "kubectl")
            house.put(flow)
            await house.until(lambda: "belongs to somebody else" in house.status(flow)["message"])
            assert house.service(flow)["spec"] == spec

    drive(tmp_path, story)


def test_a_flow_that_the_cluster_refuses_stops_no_other_one(tmp_path):
    async def story(house):
        broken, good = replace(make_flow("1"), concurrency=5000), make_flow("2")
        house.put(make_tenant(), broken, good)
        async with house.working():
            await house.until(lambda: house.is_ready(good) and house.status(broken)["state"] == "failed")
            assert "concurrency is 5000" in house.status(broken)["message"]
            house.put(replace(broken, concurrency=1))
            await house.until(lambda: house.is_ready(broken))

    drive(tmp_path, story)


def test_a_flow_without_an_image_waits_for_its_build(tmp_path):
    async def story(house):
        flow = make_flow()
        [version] = flow.versions
        house.put(make_tenant(), replace(flow, versions=(replace(version, image=""),)))
        async with house.working():
            await house.until(lambda: house.status(flow)["state"] == "building")
            assert house.api.names("services") == []
            house.put(replace(flow, versions=(replace(version, image=image(1)),)))
            await house.until(lambda: house.is_ready(flow))

    drive(tmp_path, story)


def test_while_a_version_is_built_the_one_before_goes_on_and_has_a_name(tmp_path):
    async def story(house):
        flow = make_flow(listener=SCHEDULE)
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow) and house.api.names("pingsources"))
            fresh = replace(with_versions(flow, 2, 1), listener=None)
            unbuilt = replace(fresh, versions=(replace(fresh.versions[0], image=""), fresh.versions[1]))
            house.put(unbuilt)
            await house.until(lambda: house.status(flow)["state"] == "building" and "v1" in house.status(flow)["urls"])
            status = house.status(flow)
            assert (status["version"], status["serves"], status["routed"]) == (2, True, {"v1": 100})
            assert [target.get("tag") for target in house.service(flow)["spec"]["traffic"]] == ["v1"]
            assert (len(house.api.names("triggers")), len(house.api.names("pingsources"))) == (1, 1)
            house.put(make_tenant(variables={"CITY": "Oslo"}))
            keys = Key("", "secrets", house.namespace, names_of(flow).variables)
            await house.until(lambda: b"Oslo" in b64decode(house.api.objects[keys]["data"]["variables.json"]))
            assert len(house.api.names("revisions")) == 1
            house.put(fresh)
            await house.until(lambda: house.is_ready(fresh) and not house.api.names("pingsources"))

    drive(tmp_path, story)


def test_a_flow_that_is_switched_off_keeps_its_service_and_gets_no_events(tmp_path):
    async def story(house):
        flow = make_flow(listener=SCHEDULE)
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow) and house.api.names("pingsources"))
            house.put(replace(flow, active=False))
            await house.until(lambda: not house.api.names("triggers") and not house.api.names("pingsources"))
            assert house.api.names("services") == ["flow1-11111111"]
            house.put(flow)
            await house.until(lambda: house.api.names("triggers") and house.api.names("pingsources"))

    drive(tmp_path, story)


def test_a_suspended_tenant_gets_no_events(tmp_path):
    async def story(house):
        flow = replace(make_flow(), min_scale=1)
        house.put(make_tenant(), flow)
        async with house.working():
            await house.until(lambda: house.is_ready(flow))
            house.put(make_tenant(suspended=True))
            await house.until(lambda: not house.api.names("triggers"))
            least = "autoscaling.knative.dev/min-scale"
            await house.until(lambda: house.service(flow)["spec"]["template"]["metadata"]["annotations"][least] == "0")

    drive(tmp_path, story)


def test_what_a_whole_life_asks_of_the_cluster_is_what_verbs_py_says(tmp_path):
    async def story(house):
        ticking, listening, plain = make_flow("1", listener=SCHEDULE), make_flow("2", listener=MQTT), make_flow("3")
        house.knative.outcome = lambda revision: (None, "Deploying", "")
        house.put(make_tenant(), make_tenant(BOB), ticking, listening, plain)
        async with house.working() as reconciler:
            await house.until(lambda: len(house.api.names("revisions")) == 3)
            [revision] = [name for name in house.api.names("revisions") if "flow1" in name]
            waiting = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]
            key = Key("", "pods", house.namespace, "pod")
            house.api.store(key, make_pod("pod", revision, containerStatuses=waiting))
            await house.until(lambda: ("list", "", "events", house.namespace, None) in house.api.asked)
            house.knative.outcome = lambda revision: (True, "", "")
            house.knative.go_on()
            await house.until(lambda: all(map(house.is_ready, (ticking, listening, plain))))
            leave_a_subscriber(house)
            house.settings = replace(house.settings, broker_config={"kind": "ConfigMap", "name": "other"})
            for flow in (ticking, listening):
                house.drop(flow)
            await house.until(lambda: reconciler._tenants.repaired == 1)
        async with house.working():  # with another configuration of Brokers: they have to be made anew
            await house.until(lambda: house.is_ready(plain) and house.api.of("brokers")[0]["spec"].get("config"))
            house.drop(plain)
            house.drop(make_tenant())
            await house.until(lambda: len(house.api.names("namespaces")) == 1)
        asked = {(group, plural, verb) for verb, group, plural, _, _ in house.api.asked}
        asked |= {(group, plural, "create") for group, plural, verb in asked if verb == "patch"}
        assert asked == USED

    drive(tmp_path, story)


def leave_a_subscriber(house):
    """As Triggers do that somebody else deletes at once."""
    for key, item in house.api.objects.items():
        if key.plural == "inmemorychannels":
            uri = f"http://filter/triggers/{key.namespace}/gone/00000000-dead"
            item["spec"]["subscribers"].append({"uid": "00000000-dead", "subscriberUri": uri})
