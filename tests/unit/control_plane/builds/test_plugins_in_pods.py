"""A tenant's plugins in several pods of a cluster: rows of a real PostgreSQL, a mirror in each pod's own folder."""

import base64
import shutil
import threading
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import select, text

from intellyhub_control_plane import plugin_desk
from intellyhub_control_plane.builds import builder as builder_module
from intellyhub_control_plane.builds.builder import Builder
from intellyhub_control_plane.builds.settings import BuildSettings
from intellyhub_control_plane.models.builds import Build
from intellyhub_control_plane.models.flows import FlowVersion
from intellyhub_control_plane.plugins.files import pack
from intellyhub_control_plane.settings import Target
from intellyhub_control_plane.target import shared_plugins
from intellyhub_control_plane.target.sweeping import sweep_plugins
from intellyhub_functions.testing.package_index import only_index
from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform.desired_records import Kind
from intellyhub_knative.platform.mirror import Mirror
from tests.unit.control_plane.conftest import folder_beside, fresh_database
from tests.unit.control_plane.house import House
from tests.unit.control_plane.plugins.sources import state_plugin

SHOUTING = """\
name: shouting
states:
  say: {state_type: shout, text: hello, transition: done}
  done: {state_type: end}
"""


@pytest.fixture
def url(layout, request):
    with fresh_database("postgresql", layout, request) as url:
        yield url


@pytest.fixture
def start(url, engine, journal_layout):
    """Starts pods, each with an empty folder of its own."""

    @contextmanager
    def pod(**settings):
        with folder_beside(journal_layout) as layout:
            mirror = Mirror(url, layout)
            mirror.start()
            assert mirror.await_current(10)
            house = House(layout, url, target=Target.KNATIVE, engine_image=engine, **settings)
            try:
                yield house
            finally:
                mirror.close()
                house.platform.publisher.target.store.close()  # type: ignore[attr-defined]
                house.close()

    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(pod(**settings))


@pytest.fixture
def one(start):
    return start()


@pytest.fixture
def ada(one):
    return one.person()


@pytest.fixture
def index(tmp_path):
    with only_index(tmp_path / "index") as index:
        yield index


@pytest.fixture
def make_builder(registry, engine):
    def make(pod):
        settings = BuildSettings(engine=engine, registry=f"{registry.host}/flows", builder="another")
        return Builder(platform=pod.platform, settings=settings, stop=threading.Event())

    return make


def install(pod, person, name="shout", version="1.0.0", *, choices=None, **manifest):
    files = {path: text.encode() for path, text in state_plugin(name, version, **manifest).items()}
    body = {"archive": base64.b64encode(pack(files)).decode(), **(choices or {})}
    answer = pod.call(person, "POST", "/api/plugins", body)
    assert answer.status_code == 201, answer.text
    return answer.json


def installed(pod, person):
    items = pod.call(person, "GET", "/api/plugins").json["items"]
    return {each["name"]: each["version"] for each in items}


def row_names(pod):
    ids = pod.platform.publisher.target.store.ids(Kind.FILE)
    return sorted(name.partition("/")[2].partition("/")[2] for name in ids if name.startswith("plugins/"))


def test_a_plugin_is_in_every_pod_and_in_those_that_start_later(start, one, ada):
    two = start()
    install(one, ada)
    await_that(lambda: installed(two, ada) == {"shout": "1.0.0"})
    three = start()  # as after a restart: its folder was empty
    flow = three.flow(ada, SHOUTING)
    assert flow["problems"] == []
    assert three.call(ada, "GET", "/api/plugins/shout").json["state_types"] == ["shout"]
    store = three.platform.publisher.target.plugins_of(ada.tenant_id)
    assert store.verify(store.row("shout"))


def test_another_version_takes_the_old_ones_place_everywhere(start, one, ada):
    two = start()
    first = install(one, ada)
    await_that(lambda: installed(two, ada) == {"shout": "1.0.0"})
    second = install(two, ada, version="2.0.0")
    await_that(lambda: installed(one, ada) == {"shout": "2.0.0"})
    assert row_names(one) == ["plugins.json", f"shout/{second['digest'][7:]}.zip"]
    folder = one.layout.plugins_of(ada.tenant_id) / "shout"
    sweep_plugins(one.layout, ())
    await_that(lambda: sorted(each.stem for each in folder.iterdir()) == [second["digest"][7:]] * 2)
    assert not (folder / first["digest"][7:]).exists()


def test_an_uninstalled_plugin_is_gone_everywhere_and_leaves_no_row(start, one, ada):
    two = start()
    install(one, ada)
    await_that(lambda: installed(two, ada) == {"shout": "1.0.0"})
    assert two.call(ada, "DELETE", "/api/plugins/shout").status_code == 204
    await_that(lambda: installed(one, ada) == {})
    assert row_names(one) == ["plugins.json"]
    assert installed(start(), ada) == {}


def test_of_pods_that_install_at_once_none_loses_what_another_did(start, one, ada):
    pods = [one, start(), start()]
    names = ["shout", "whisper", "hum", "sing", "yell", "mumble"]
    threads = [
        threading.Thread(target=install, args=(pods[number % 3], ada, name)) for number, name in enumerate(names)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin_desk, "AT_ONCE", threading.BoundedSemaphore(len(names)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for pod in (*pods, start()):
        await_that(lambda pod=pod: sorted(installed(pod, ada)) == sorted(names))


def test_a_tenant_sees_no_plugin_of_another_in_any_pod(start, one, ada):
    install(one, ada)
    bob, two = one.person(), start()
    assert (installed(one, bob), installed(two, bob), installed(two, ada)) == ({}, {}, {"shout": "1.0.0"})


def test_a_pod_that_cannot_have_its_turn_says_so_and_one_without_a_database_too(one, ada, monkeypatch):
    target = one.platform.publisher.target
    monkeypatch.setattr(shared_plugins, "WAIT_SECONDS", 0.3)
    with target.plugins_of(ada.tenant_id).keeping.turn():
        answer = one.call(ada, "POST", "/api/plugins", {"archive": archive()})
    assert (answer.status_code, "being installed" in answer.json["detail"]) == (409, True)
    with target.plugins_of(ada.tenant_id).keeping.turn() as turn:
        cut_off(one, turn)
        with pytest.raises(Exception, match=r"terminat|closed"):
            turn.keep("plugins.json", b"{}")
    assert row_names(one) == []


def archive():
    return base64.b64encode(pack({name: each.encode() for name, each in state_plugin().items()})).decode()


def cut_off(pod, turn):
    """End the connection that holds the lock, as a database does that starts again."""
    number = turn.connection.scalar(text("SELECT pg_backend_pid()"))
    with pod.database.engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})


def test_any_pod_can_tell_how_far_an_installation_is(start, one, ada):
    two = start()
    with one.platform.publisher.target.installations_of(ada.tenant_id).begin("shout") as record:
        record.tell("fetching")
        path = f"/api/plugins/installations/{record.id}"
        assert two.call(ada, "GET", path).json["state"] == "running"
        assert two.call(two.person(), "GET", path).status_code == 404
        record.tell("unpacking")
        record.done("shout")
        shown = two.call(ada, "GET", path).json
    assert (shown["state"], shown["plugin"]) == ("done", "shout")
    assert [each["text"] for each in shown["steps"]] == ["fetching", "unpacking"]


def test_an_installation_whose_pod_is_gone_was_interrupted(start, one, ada):
    installations = one.platform.publisher.target.installations_of(ada.tenant_id)
    with installations.begin("shout") as record:
        record.tell("fetching")
    shown = start().call(ada, "GET", f"/api/plugins/installations/{record.id}").json
    assert (shown["state"], shown["what"]) == ("interrupted", "shout")


def test_only_the_newest_installations_are_remembered(one, ada):
    installations = one.platform.publisher.target.installations_of(ada.tenant_id)
    numbers = []
    for _ in range(52):
        with installations.begin("shout") as record:
            numbers.append(record.id)
    assert [installations.find(number) is None for number in numbers[:3]] == [True, True, False]


@pytest.mark.slow
def test_a_builder_in_another_pod_makes_the_layers_that_the_api_has_locked(start, one, ada, index, make_builder):
    index.add_wheel("loud", "1.0", {"loud.py": ""})
    install(one, ada, requirements=["loud"])
    index.add_wheel("loud", "2.0", {"loud.py": ""})
    flow = one.flow(ada, SHOUTING)
    pod = start()
    assert make_builder(pod).work_off() == 1
    (build,) = pod.call(ada, "GET", f"/api/flows/{flow['id']}/builds").json["items"]
    assert (build["status"], build["message"]) == ("succeeded", "")
    (layer,) = (each for each in pod.layout.layers.iterdir() if not each.name.startswith("."))
    assert layer.name == one.call(ada, "GET", "/api/plugins/shout").json["layer"]
    assert (layer / "loud-1.0.dist-info").is_dir()
    shutil.rmtree(pod.layout.layers)  # and once more from nothing: of just the same packages
    one.platform.publisher.reconcile()
    assert make_builder(pod).work_off() == 0


@pytest.mark.slow
def test_what_is_built_from_source_is_built_by_each_builder_and_changes_nothing_for_others(
    start, one, ada, index, make_builder
):
    index.add_sdist("loud", "1.0")
    install(one, ada, requirements=["loud"], choices={"builds": True})
    flow = one.flow(ada, SHOUTING)
    before = one.platform.publisher.target.store.revision()
    store = start().platform.publisher.target.plugins_of(ada.tenant_id)
    shutil.rmtree(one.layout.layers)
    plugin = store.equipped(store.row("shout"))
    assert (store.layers / plugin.layer.rpartition("/")[2] / "loud.py").is_file()
    assert store.equipped(store.row("shout")) == plugin
    assert one.platform.publisher.target.store.revision() == before
    assert flow["problems"] == []


@pytest.mark.slow
def test_packages_of_a_flows_own_python_are_pinned_for_all_pods(start, one, ada, index):
    index.add_wheel("loud", "1.0", {"loud.py": ""})
    code = """\
name: own
states:
  say:
    state_type: python
    code: "result = 1"
    requirements: [loud]
    transition: done
  done: {state_type: end}
"""
    flow = one.flow(ada, code)
    index.add_wheel("loud", "2.0", {"loud.py": ""})
    two = start()
    lock = two.platform.publisher.target.plugins_of(ada.tenant_id).packages(["loud"]).lock
    assert [line.partition(" ")[0] for line in lock] == ["loud==1.0"]
    with one.database.transaction() as session:
        version = session.get_one(FlowVersion, (flow["id"], 1))
        version.image = f"registry.test/own@sha256:{0:064}"
        version.image_key = session.scalar(select(Build.key))
    one.platform.publisher.reconcile()
    revision = one.platform.publisher.target.store.revision()
    for pod in (two, one):
        pod.platform.publisher.reconcile()
    assert one.platform.publisher.target.store.revision() == revision
    builds = one.call(ada, "GET", f"/api/flows/{flow['id']}/builds").json["items"]
    assert len(builds) == 1


def test_a_builder_whose_mirror_is_behind_waits_for_it(start, one, ada, make_builder, monkeypatch):
    monkeypatch.setattr(builder_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(builder_module, "BEHIND_SECONDS", 0.0)
    install(one, ada)
    one.flow(ada, SHOUTING)
    pod = start()
    rows = pod.layout.plugins_of(ada.tenant_id) / "plugins.json"
    content = rows.read_bytes()
    rows.unlink()
    builder = make_builder(pod)
    job = builder.claim()
    builder.work(job)
    with pod.database.transaction(writing=False) as session:
        assert session.get(Build, job.id).status == "queued"
    monkeypatch.setattr(builder_module, "BEHIND_SECONDS", 10.0)
    monkeypatch.setattr(builder_module, "BEHIND_LOOK_SECONDS", 0.01)
    seen = []

    def look(_builder, job):  # the mirror has it while the builder waits
        seen.append(job.id)
        if len(seen) == 3:
            rows.write_bytes(content)
        return find_needed(_builder, job)

    find_needed = Builder.find_needed
    monkeypatch.setattr(Builder, "find_needed", look)
    assert builder.work_off() == 1
    assert len(seen) == 3
    (build,) = pod.call(ada, "GET", "/api/builds").json["items"]
    assert (build["status"], build["message"]) == ("succeeded", "")
