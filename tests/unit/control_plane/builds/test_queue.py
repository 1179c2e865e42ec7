"""The queue of builds, and who works it off: builders that come, go and are killed."""

import threading
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from intellyhub_control_plane.builds import builder as builder_module
from intellyhub_control_plane.builds.builder import LEASE_SECONDS
from intellyhub_control_plane.database import bell as bell_module
from intellyhub_control_plane.database.bell import listen
from intellyhub_control_plane.models.builds import Build
from intellyhub_control_plane.models.record import now
from tests.unit.control_plane.builds.steps import TESTED, change, record
from tests.unit.control_plane.house import HELLO


def test_a_builder_with_another_engine_than_the_api_leaves_builds_to_those_with_the_same(house, ada, builder, builds):
    house.flow(ada)
    replace(builder, settings=replace(builder.settings, engine="registry.test/engine:2")).work_off()
    (build,) = builds()
    assert (build["status"], build["attempts"]) == ("queued", 0)
    assert "INTELLYHUB_ENGINE_IMAGE must be the same" in build["message"]
    with house.database.transaction() as session:
        session.get_one(Build, build["id"]).not_before = None
    builder.work_off()
    assert builds()[0]["status"] == "succeeded"


def test_builders_hear_at_once_of_what_is_put_into_the_queue(house, ada, monkeypatch):
    monkeypatch.setattr(bell_module, "PAUSE_SECONDS", 0.05)
    bell, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=listen, args=(house.settings.database_url, (bell,), stop))
    thread.start()
    try:
        assert bell.wait(10)  # it listens
        bell.clear()
        house.flow(ada)
        assert bell.wait(10)
        bell.clear()
        cut_off_listeners(house)
        assert bell.wait(20)  # it listens again
        bell.clear()
        house.call(ada, "POST", "/api/repositories", {"url": "https://git.test/flows.git"})
        assert bell.wait(10)
    finally:
        stop.set()
        thread.join()


def cut_off_listeners(house):
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    with house.database.transaction() as session:
        assert session.execute(text(ending)).all()


def test_another_engine_makes_new_images_of_all_flows(house, ada, builder, builds):
    house.flow(ada)
    builder.work_off()
    other = replace(house.platform.publisher, settings=replace(house.settings, engine_image="registry.test/engine:2"))
    other.reconcile()
    other.reconcile()
    assert [each["status"] for each in builds()] == ["succeeded", "queued"]


def test_a_newer_version_takes_the_place_of_one_that_waits(house, ada, builds):
    flow = house.flow(ada)
    change(house, ada, flow, TESTED)
    assert [(each["version"], each["status"]) for each in builds()] == [(1, "cancelled"), (2, "queued")]
    assert "version 2" in builds()[0]["message"]


def test_tenants_take_turns(house, ada, builder):
    bob = house.person()
    for number in range(3):
        house.flow(ada, HELLO, f"Ada {number}")
    house.flow(bob, HELLO, "Bob")
    taken = [builder.claim().tenant_id for _ in range(4)]
    assert bob.tenant_id in taken[:2]
    assert builder.claim() is None


def test_several_builders_never_get_the_same_build(house, ada, builder):
    for number in range(6):
        house.flow(ada, HELLO, f"Flow {number}")
    barrier, found = threading.Barrier(3), []

    def take(name):
        mine = replace(builder, settings=replace(builder.settings, builder=name))
        barrier.wait()
        while (job := mine.claim()) is not None:
            found.append(job.id)

    threads = [threading.Thread(target=take, args=(f"builder {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(set(found)) == 6


def test_what_a_killed_builder_left_is_taken_up_by_another_when_its_lease_is_over(house, ada, builder, builds):
    house.flow(ada)
    killed = replace(builder, settings=replace(builder.settings, builder="killed"))
    job = killed.claim()
    assert builder.claim() is None
    with house.database.transaction() as session:
        session.get_one(Build, job.id).leased_until = now() - timedelta(seconds=1)
    builder.work_off()
    assert [(each["status"], each["attempts"]) for each in builds()] == [("succeeded", 2)]


def test_a_builder_that_starts_again_takes_up_its_own_at_once(house, ada, builder, builds):
    house.flow(ada)
    builder.claim()
    assert builder.claim() is None
    builder.begin()
    builder.work_off()
    assert builds()[0]["status"] == "succeeded"


def test_a_build_that_kills_its_builder_again_and_again_is_given_up(house, ada, builder, builds):
    house.flow(ada)
    for _ in range(3):
        assert builder.claim() is not None
        builder.begin()
    assert builder.claim() is None
    assert builds()[0]["status"] == "failed"
    assert "ended in the middle of it 3 times" in builds()[0]["message"]


def test_whoever_lost_a_build_writes_nothing_of_it(house, store, ada, builder, builds):
    flow = house.flow(ada)
    job = builder.claim()
    with house.database.transaction() as session:
        session.get_one(Build, job.id).builder = "another"
    builder.work(job)
    assert builds()[0]["status"] == "running"
    assert record(store, flow).current.image == ""


def test_a_build_that_cannot_be_made_now_gives_way_to_a_newer_one(house, ada, builder, builds):
    flow = house.flow(ada)
    job = builder.claim()
    change(house, ada, flow, TESTED)
    away = replace(builder, settings=replace(builder.settings, registry="127.0.0.1:1/flows"))
    away.work(job)
    assert builds()[0]["status"] == "cancelled"
    assert builds()[0]["message"].endswith("another one was asked for meanwhile")


def test_leases_are_renewed_in_time():
    assert builder_module.LOOK_SECONDS * 3 < LEASE_SECONDS
