"""Builds through the queue: what becomes of them, who gets them, and what is left of those that were killed."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from intellyhub_control_plane.builds import builder as builder_module
from intellyhub_control_plane.models.builds import Build
from intellyhub_knative.images.registry import session as registry_session
from intellyhub_knative.platform.desired_records import StatusKind
from tests.unit.control_plane.builds.steps import (
    ANSWER,
    CALLER,
    CHECKING,
    TESTED,
    WRONG,
    change,
    detail,
    record,
    state,
    watch,
)
from tests.unit.control_plane.house import HELLO


def test_a_builder_that_was_told_too_little_says_so_in_every_build(house, ada, builder, builds):
    for unset in ({"engine": ""}, {"registry": ""}):
        house.flow(ada, HELLO)
        replace(builder, settings=replace(builder.settings, **unset)).work_off()
        build = builds()[-1]
        name = {"engine": "INTELLYHUB_ENGINE_IMAGE", "registry": "INTELLYHUB_REGISTRY"}[next(iter(unset))]
        assert build["status"] == "failed"
        assert f"{name} must be set where flows are built" in build["message"]


def test_a_publication_is_built_pushed_and_named_in_the_record(house, store, ada, builder, builds, registry):
    flow = house.flow(ada, TESTED)
    (build,) = builds()
    assert (build["status"], build["version"], build["created_by"]) == ("queued", 1, None)
    assert record(store, flow).current.image == ""
    assert builder.work_off() == 1
    (build,) = builds()
    assert build["status"] == "succeeded"
    assert build["image"] == f"{registry.host}/flows/hello-{flow['id'][:16]}@{build['digest']}"
    assert record(store, flow).current.image == build["image"]
    stages = [(each["stage"], each["status"]) for each in detail(house, ada, build)["stages"]]
    assert stages == [
        ("check", "succeeded"),
        ("test", "succeeded"),
        ("plugins", "skipped"),
        ("image", "succeeded"),
        ("push", "succeeded"),
        ("deploy", "succeeded"),
    ]
    log = house.call(ada, "GET", f"/api/builds/{build['id']}/log").text
    assert "test succeeded" in log
    assert "pushed" in log
    house.platform.publisher.reconcile()
    assert len(builds()) == 1


def test_the_same_again_gives_the_same_image_and_skips_what_was_done(house, ada, builder, builds):
    flow = house.flow(ada, TESTED)
    builder.work_off()
    assert house.call(ada, "POST", f"/api/flows/{flow['id']}/builds").status_code == 202
    builder.work_off()
    first, again = builds()
    assert again["digest"] == first["digest"]
    stages = {each["stage"]: each["status"] for each in detail(house, ada, again)["stages"]}
    assert (stages["test"], stages["push"]) == ("skipped", "skipped")


def test_a_flow_whose_tests_fail_is_not_deployed_and_the_version_before_goes_on(house, store, ada, builder, builds):
    flow = house.flow(ada, TESTED)
    builder.work_off()
    change(house, ada, flow, WRONG)
    builder.work_off()
    assert [each["status"] for each in builds()] == ["succeeded", "failed"]
    assert "1 of 1 tests failed: greets" in builds()[1]["message"]
    assert record(store, flow).current.image == ""
    house.platform.publisher.reconcile()
    builder.work_off()
    assert len(builds()) == 2


def test_a_flow_that_is_called_is_packed_and_its_change_builds_its_callers_again(house, ada, builder, builds):
    hello = house.flow(ada, HELLO)
    house.flow(ada, CALLER, "Caller")
    builder.work_off()
    change(house, ada, hello, TESTED)
    builder.work_off()
    made = [(each["flow"]["slug"], each["version"], each["status"]) for each in builds()]
    assert sorted(made) == [
        ("caller", 1, "succeeded"),
        ("caller", 1, "succeeded"),
        ("hello", 1, "succeeded"),
        ("hello", 2, "succeeded"),
    ]
    callers = [each["digest"] for each in builds() if each["flow"]["slug"] == "caller"]
    assert len(set(callers)) == 2


def test_a_called_flow_that_is_as_it_was_gives_its_caller_the_image_that_it_had(house, store, ada, builder):
    hello = house.flow(ada, HELLO)
    caller = house.flow(ada, CALLER, "Caller")
    images = []
    for each in (TESTED, HELLO, TESTED):
        change(house, ada, hello, each)
        builder.work_off()
        images.append(record(store, caller).current.image)
    assert images[0] == images[2] != images[1]
    house.platform.publisher.reconcile()
    assert builder.work_off() == 0


def test_a_build_that_failed_is_not_the_last_word_when_all_is_as_it_was(house, ada, builder, builds):
    hello = house.flow(ada, HELLO)
    house.flow(ada, CHECKING, "Caller")
    for each in (ANSWER, ANSWER.replace("42", "43"), ANSWER):
        change(house, ada, hello, each)
        builder.work_off()
    assert [each["status"] for each in builds() if each["flow"]["slug"] == "caller"][-3:] == [
        "succeeded",
        "failed",
        "succeeded",
    ]


def test_one_flow_is_built_by_one_builder_at_a_time(house, ada, builder, builds):
    hello = house.flow(ada, HELLO)
    first = builder.claim()
    change(house, ada, hello, TESTED)
    other = replace(builder, settings=replace(builder.settings, builder="another"))
    assert other.claim() is None
    builder.work(first)
    assert other.work_off() == 1
    assert [(each["version"], each["status"]) for each in builds()] == [(1, "succeeded"), (2, "succeeded")]


def test_a_flow_says_how_far_its_build_is_and_why_it_failed(house, ada, builder, registry):
    flow = house.flow(ada, WRONG)
    assert state(house, ada, flow) == ("building", "The build waits for its turn.", False)
    job = builder.claim()
    assert state(house, ada, flow) == ("building", "The build begins.", False)
    builder.work(job)
    found, message, serves = state(house, ada, flow)
    assert (found, serves) == ("failed", False)
    assert message.startswith("The build failed at test: 1 of 1 tests failed: greets: the variable 'text' is 'Hi Ada'")
    listed = house.call(ada, "GET", "/api/flows").json["items"][0]["deployment"]
    assert (listed["state"], listed["message"]) == (found, message)
    change(house, ada, flow, TESTED)
    seen = []
    watch(registry, lambda *_: seen.append(state(house, ada, flow)[1]))
    builder.work_off()
    assert seen[-1] == "The build is at push."


def test_a_flow_says_that_the_version_before_goes_on_when_its_build_failed(house, store, ada, builder, builds):
    flow = house.flow(ada, TESTED)
    builder.work_off()
    ready = {"tenant_id": ada.tenant_id, "version": 1, "state": "ready", "serves": True, "message": ""}
    store.write_status(StatusKind.FLOW, flow["id"], ready)
    assert state(house, ada, flow) == ("ready", "", True)
    change(house, ada, flow, WRONG)
    assert state(house, ada, flow) == ("building", "The build waits for its turn.", True)
    builder.work_off()
    found, message, serves = state(house, ada, flow)
    assert (found, serves) == ("failed", True)
    assert message.endswith("expected 'Hi Bob'. The version before goes on.")
    house.call(ada, "POST", f"/api/flows/{flow['id']}/builds")
    house.call(ada, "POST", f"/api/builds/{builds()[-1]['id']}/cancel")
    assert state(house, ada, flow)[:2] == (
        "failed",
        "The build was cancelled: ask for another one. The version before goes on.",
    )


def test_a_version_that_has_an_image_goes_on_with_it_when_the_next_build_fails(house, store, ada, builder):
    flow = house.flow(ada, TESTED)
    builder.work_off()
    ready = {"tenant_id": ada.tenant_id, "version": 1, "state": "ready", "serves": True, "message": ""}
    store.write_status(StatusKind.FLOW, flow["id"], ready)
    house.call(ada, "POST", f"/api/flows/{flow['id']}/builds")
    replace(builder, settings=replace(builder.settings, engine="")).work_off()
    found, message, _ = state(house, ada, flow)
    assert found == "ready"
    assert "INTELLYHUB_ENGINE_IMAGE" in message
    assert message.endswith("The image before goes on.")


def test_tenants_are_not_told_where_things_lie_on_the_builders_machine(house, ada, builder, builds, engine, caplog):
    house.flow(ada)
    place = Path(engine.split(":")[1])
    place.rename(place.with_name("away"))
    try:
        builder.work_off()
    finally:
        place.with_name("away").rename(place)
    (build,) = builds()
    assert (build["status"], build["message"]) == (
        "failed",
        "plugins: the engine image is no OCI image layout: it has no index.json",
    )
    said = house.call(ada, "GET", f"/api/builds/{build['id']}/log").text
    shown = said + house.call(ada, "GET", f"/api/builds/{build['id']}").text
    assert str(place) not in shown
    assert str(place) in caplog.text


def test_a_registry_that_is_away_is_tried_again_and_then_given_up(house, ada, builder, builds, monkeypatch):
    monkeypatch.setattr(registry_session, "FIRST_WAIT_SECONDS", 0.001)
    house.flow(ada)
    away = replace(builder, settings=replace(builder.settings, registry="127.0.0.1:1/flows"))
    for attempt in range(1, 4):
        assert away.work_off() == 1
        assert builds()[0]["attempts"] == attempt
        assert "127.0.0.1:1 cannot be reached" in builds()[0]["message"]
        with house.database.transaction() as session:
            session.get_one(Build, builds()[0]["id"]).not_before = None
    assert builds()[0]["status"] == "failed"


def test_a_build_is_cancelled_before_it_begins(house, ada, builder, builds):
    flow = house.flow(ada)
    answer = house.call(ada, "POST", f"/api/builds/{builds()[0]['id']}/cancel")
    assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    assert house.call(ada, "POST", f"/api/builds/{builds()[0]['id']}/cancel").status_code == 409
    house.platform.publisher.publish_flow(ada.tenant_id, flow["id"])
    assert builder.work_off() == 0  # whoever cancelled it meant it


def test_a_build_is_cancelled_inside_a_stage(house, ada, builder, builds, registry, monkeypatch):
    monkeypatch.setattr(builder_module, "LOOK_SECONDS", 0.02)
    house.flow(ada)
    registry.fail("PUT", "/manifests/", 503)
    asked = threading.Event()

    def ask(method, path):
        if method == "PUT" and "/manifests/" in path and not asked.is_set():
            asked.set()
            assert house.call(ada, "POST", f"/api/builds/{builds()[0]['id']}/cancel").status_code == 202

    watch(registry, ask)
    builder.work_off()
    assert asked.is_set()
    assert builds()[0]["status"] == "cancelled"
    stages = {each["stage"]: each["status"] for each in detail(house, ada, builds()[0])["stages"]}
    assert stages["push"] == "cancelled"


def test_a_builder_that_is_stopped_puts_its_build_back(house, ada, builder, builds, registry):
    house.flow(ada)
    watch(registry, lambda *_: builder.stop.set())
    builder.work_off()
    assert (builds()[0]["status"], builds()[0]["attempts"]) == ("queued", 0)


def test_the_log_can_be_followed_to_its_end_and_from_a_place_on(house, ada, builder, builds):
    house.flow(ada)
    builder.work_off()
    path = f"/api/builds/{builds()[0]['id']}/log?follow=true"
    text = house.call(ada, "GET", path).text
    assert text.rstrip().endswith('data: {"status":"succeeded","message":""}')
    last = text.count("event: line")
    rest = house.call(ada, "GET", path, Last_Event_ID=str(last - 1)).text
    assert rest.count("event: line") == 1


@pytest.mark.parametrize("target", ["registry.test/mine:1", "oci:/tmp/x", "not a name"])
def test_a_cluster_pushes_to_no_other_registry(house, ada, target):
    flow = house.flow(ada)
    answer = house.call(ada, "POST", f"/api/flows/{flow['id']}/builds", {"to": target})
    assert answer.status_code in (409, 422), answer.text


def test_builds_of_a_deleted_flow_go_with_it(house, ada, builder, builds):
    flow = house.flow(ada)
    job = builder.claim()
    assert house.call(ada, "DELETE", f"/api/flows/{flow['id']}").status_code == 204
    builder.work(job)
    assert builds() == []
