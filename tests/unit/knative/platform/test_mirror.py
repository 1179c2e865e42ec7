"""The desired state of a cluster: rows, and the folders of pods that are as the rows say."""

import fcntl
import os
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace

import psycopg2
import pytest

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.surroundings import await_that
from intellyhub_knative.platform import mirror as mirrors
from intellyhub_knative.platform.deployments import read_deployments, write_deployment
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.desired_records import Kind, RecordStore, RecordsUnavailable, StatusKind
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.mirror import Mirror, start_mirror
from intellyhub_knative.platform.tenants import Tenant, write_tenant
from tests.unit.knative.platform.journal.services import database_url
from tests.unit.knative.platform.pods import make_deployment

pytestmark = pytest.mark.xdist_group("journal-postgresql")
OURS, OTHER = make_deployment("a", "1"), make_deployment("b", "2")
TENANT = Tenant(tenant_id="a" * 32, slug="tenant-a", max_pods=3)


def ask(statement):
    with closing(psycopg2.connect(database_url())) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


@pytest.fixture(scope="module")
def migrated():
    database = Database(database_url().replace("postgresql://", "postgresql+psycopg2://"))
    migrate(database)
    database.dispose()


@pytest.fixture
def url(migrated):
    ask("TRUNCATE desired_record, cluster_status")
    return database_url()


@pytest.fixture
def store(url):
    made = RecordStore(url)
    yield made
    made.close()


@pytest.fixture
def layout(tmp_path):
    return Layout(data=tmp_path / "pod")


@pytest.fixture
def mirror(url, layout):
    made = Mirror(url, layout)
    made.start()
    assert made.await_current(10)
    yield made
    made.close()


def begin_mirror(environment, layout):
    made = start_mirror(environment, layout)
    assert made is not None
    return made


def deploy(store, deployment):
    store.write(Kind.DEPLOYMENT, deployment.flow_id, asdict(deployment))


def deployed(layout):
    return {one.flow_id for one in read_deployments(layout.deployments)}


def test_a_record_is_written_read_and_removed(store):
    assert store.write(Kind.TENANT, "t", {"a": 1, "text": "é \\u0000"})
    assert not store.write(Kind.TENANT, "t", {"text": "é \\u0000", "a": 1})
    first = store.revision()
    assert store.write(Kind.TENANT, "t", {"a": 2})
    assert store.revision() > first
    assert store.read(Kind.TENANT, "t") == {"a": 2}
    assert store.read(Kind.DEPLOYMENT, "t") is None
    assert store.records(Kind.TENANT) == {"t": {"a": 2}}
    assert store.ids(Kind.TENANT) == {"t"}
    assert store.remove(Kind.TENANT, "t")
    assert not store.remove(Kind.TENANT, "t")
    assert store.records(Kind.TENANT) == {}


def test_what_became_of_it_goes_the_other_way(store):
    store.write_status(StatusKind.FLOW, "f", {"ready": False, "message": "the image cannot be pulled"})
    assert store.status(StatusKind.FLOW, "f")["ready"] is False
    assert store.statuses(StatusKind.FLOW).keys() == {"f"}
    assert store.statuses(StatusKind.TENANT) == {}
    store.remove_status(StatusKind.FLOW, "f")
    assert store.status(StatusKind.FLOW, "f") is None


@pytest.mark.parametrize("record_id", ["", "a b", "x" * 500, "line\n", "é"])
def test_odd_ids_are_refused(store, record_id):
    with pytest.raises(InputInvalid):
        store.write(Kind.TENANT, record_id, {})


def test_a_document_that_is_too_large_is_refused(store):
    with pytest.raises(InputInvalid, match="takes"):
        store.write(Kind.FILE, "flows/a", {"text": "x" * (17 << 20)})


def test_the_address_may_be_sqlalchemys_and_nothing_else(url):
    with closing(RecordStore(url.replace("postgresql://", "postgresql+psycopg2://"))) as store:
        assert store.revision() == 0
    with pytest.raises(InputInvalid):
        RecordStore("sqlite:///x")


def test_a_database_that_is_away_is_said_without_its_password():
    store = RecordStore("postgresql://someone:secret-word@127.0.0.1:1/x")
    with closing(store), pytest.raises(RecordsUnavailable) as away:
        store.revision()
    assert "secret-word" not in str(away.value)


def test_a_store_goes_on_after_its_session_was_lost(store):
    store.write(Kind.TENANT, "t", {})
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    ask(f"{ended} AND application_name <> 'intellyhub-journal'")
    assert store.write(Kind.TENANT, "u", {})


def test_a_store_goes_on_after_a_fault_that_its_client_library_has_not_noted_as_the_end(store):
    class Broken:
        closed = 0

        def __enter__(self):
            raise psycopg2.DatabaseError("server closed the connection unexpectedly")

        def __exit__(self, *fault):
            return False

        def close(self):
            pass

    store.revision()
    store._connection.close()
    store._connection = Broken()
    assert store.ids(Kind.TENANT) == frozenset()


def test_a_pod_has_what_the_rows_say_from_the_start(store, url, layout):
    deploy(store, OURS)
    store.write(Kind.TENANT, TENANT.tenant_id, asdict(TENANT))
    text = f"flows/{OURS.tenant_id}/{OURS.flow_id}/1.yaml"
    store.write(Kind.FILE, text, {"text": "name: é\n"})
    store.write(Kind.FILE, "plugins/a/x.bin", {"base64": "AP8="})
    store.write_status(StatusKind.FLOW, OURS.flow_id, {"ready": True})
    mirror = begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout)
    try:
        desired = Desired(layout)
        desired.read()
        assert desired.deployments == {OURS.flow_id: OURS}
        assert desired.tenants == {TENANT.tenant_id: TENANT}
        assert (layout.data / text).read_text() == "name: é\n"
        assert (layout.data / "plugins/a/x.bin").read_bytes() == b"\x00\xff"
        assert (layout.cluster_status / f"{OURS.flow_id}.json").is_file()
        assert mirror.complete
    finally:
        mirror.close()


def test_outside_of_clusters_there_is_no_mirror(layout):
    assert start_mirror({}, layout) is None


def test_changes_come_at_once(store, mirror, layout):
    deploy(store, OURS)
    await_that(lambda: deployed(layout) == {OURS.flow_id}, 2)
    deploy(store, replace(OURS, active=False))
    await_that(lambda: not next(read_deployments(layout.deployments)).active, 2)
    store.remove(Kind.DEPLOYMENT, OURS.flow_id)
    await_that(lambda: deployed(layout) == set(), 2)
    store.write(Kind.FILE, "flows/a/1.yaml", {"text": "one"})
    await_that((layout.data / "flows/a/1.yaml").is_file, 2)
    store.remove(Kind.FILE, "flows/a/1.yaml")
    await_that(lambda: not (layout.data / "flows/a/1.yaml").exists(), 2)


def test_the_files_of_a_flow_are_there_before_its_record(store, url, layout, monkeypatch):
    settled, settle = [], Mirror._settle
    monkeypatch.setattr(Mirror, "_settle", lambda self, name, row: (settled.append(name[1]), settle(self, name, row)))  # type: ignore[func-returns-value]
    deploy(store, OURS)
    store.write(Kind.FILE, "flows/a/1.yaml", {"text": "one"})
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    assert settled == [Kind.FILE, Kind.DEPLOYMENT]


def test_what_is_told_while_it_asks_is_heard_at_once(store, url, layout, monkeypatch):
    settle, told = Mirror._settle, []  # type: ignore[var-annotated]

    def settle_and_write(mirror, name, row):
        settle(mirror, name, row)
        if not told:
            told.append(store.write(Kind.TENANT, TENANT.tenant_id, asdict(TENANT)))

    monkeypatch.setattr(Mirror, "_settle", settle_and_write)
    deploy(store, OURS)
    deploy(store, OTHER)
    mirror = begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout)
    try:
        await_that((layout.tenants / f"{TENANT.tenant_id}.json").is_file, 3)
    finally:
        mirror.close()


def test_it_listens_in_a_process_that_has_many_files_open(store, url, layout, caplog):
    mirror = Mirror(url, layout)
    low, mirror._bell = mirror._bell, fcntl.fcntl(mirror._bell, fcntl.F_DUPFD, 1024)
    os.close(low)
    mirror.start()
    assert mirror.await_current(10)
    deploy(store, OURS)
    await_that(lambda: deployed(layout) == {OURS.flow_id}, 2)
    mirror.close()
    assert caplog.text == ""


def test_those_who_watch_the_folder_see_it(store, mirror, layout):
    import asyncio

    async def watch():
        desired, seen = Desired(layout), asyncio.Event()
        watching = asyncio.create_task(desired.watch(lambda: seen.set() if desired.deployments else None))
        await asyncio.to_thread(deploy, store, OURS)
        await asyncio.wait_for(seen.wait(), 5)
        watching.cancel()

    asyncio.run(watch())


def test_what_has_no_row_goes_when_a_pod_starts(store, url, layout):
    write_deployment(layout.deployments, OURS)
    write_tenant(layout.tenants, TENANT)
    own = layout.data / "flows" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("made by somebody else")
    deploy(store, OTHER)
    mirror = begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout)
    mirror.close()
    assert deployed(layout) == {OTHER.flow_id}
    assert list(layout.tenants.iterdir()) == []
    assert own.exists()


def test_a_file_that_went_with_its_row_while_the_pod_was_away_goes(store, url, layout):
    store.write(Kind.FILE, "flows/a/1.yaml", {"text": "one"})
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    store.remove(Kind.FILE, "flows/a/1.yaml")
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    assert not (layout.data / "flows/a/1.yaml").exists()


def test_what_was_missed_is_found_by_comparing(store, url, layout, monkeypatch):
    monkeypatch.setattr(mirrors, "REREAD_SECONDS", 0.2)
    mirror = Mirror(url, layout)
    mirror.start()
    mirror.await_current(5)
    document = '{"tenant_id": "' + "a" * 32 + '", "slug": "s", "max_pods": 1}'
    ask(f"INSERT INTO desired_record VALUES ('tenant', '{'a' * 32}', '{document}', 1)")  # nobody is told
    await_that((layout.tenants / f"{'a' * 32}.json").is_file, 5)
    (layout.tenants / f"{'a' * 32}.json").unlink()
    await_that((layout.tenants / f"{'a' * 32}.json").is_file, 5)
    mirror.close()


def test_a_record_that_was_made_anew_meanwhile_is_read_again(store, url, layout):
    deploy(store, OURS)
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    store.remove(Kind.DEPLOYMENT, OURS.flow_id)
    deploy(store, replace(OURS, name="another"))
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    assert next(read_deployments(layout.deployments)).name == "another"


@pytest.mark.parametrize(
    ("kind", "record_id"),
    [
        ("file", "../escape"),
        ("file", "flows/../../escape"),
        ("file", "/etc/escape"),
        ("file", "flows/.hidden"),
        ("file", "platform.key"),
        ("tenant", "../escape"),
        ("deployment", "a/b"),
        ("odd", "escape"),
    ],
)
def test_no_row_leads_out_of_the_folders(store, layout, mirror, kind, record_id):
    before = sorted(layout.data.parent.rglob("*"))
    ask(f"""INSERT INTO desired_record VALUES ('{kind}', '{record_id}', '{{"text": "x"}}', 1)""")
    ask(f"SELECT pg_notify('intellyhub_records', 'desired_record {kind} {record_id}')")
    deploy(store, OURS)
    await_that(lambda: deployed(layout) == {OURS.flow_id}, 3)  # a bad row keeps no other from its place
    added = {path.name for path in set(layout.data.parent.rglob("*")) - set(before)}
    assert added <= {"deployments", f"{OURS.flow_id}.json", "mirror.json"}
    ask(f"DELETE FROM desired_record WHERE id = '{record_id}'")
    ask(f"SELECT pg_notify('intellyhub_records', 'desired_record {kind} {record_id}')")
    store.remove(Kind.DEPLOYMENT, OURS.flow_id)
    await_that(lambda: deployed(layout) == set(), 3)


@pytest.mark.parametrize("document", ["not json", "[]", '"x"', "{}"])
def test_a_damaged_row_keeps_no_other_from_its_place(store, layout, mirror, document):
    ask(f"INSERT INTO desired_record VALUES ('file', 'flows/x.yaml', '{document}', 1)")
    ask("SELECT pg_notify('intellyhub_records', 'desired_record file flows/x.yaml')")
    deploy(store, OURS)
    await_that(lambda: deployed(layout) == {OURS.flow_id}, 3)
    assert not (layout.data / "flows/x.yaml").exists()


def test_the_folder_stays_as_it_is_while_the_database_is_away_and_follows_when_it_is_back(store, url, layout):
    socket = store_socket(url)
    with Proxy(socket) as cable:
        far = f"postgresql://postgres@127.0.0.1:{cable.port}/postgres"
        deploy(store, OURS)
        mirror = Mirror(far, layout)
        mirror.start()
        assert mirror.await_current(5)
        with cable.gone():
            deploy(store, OTHER)
            time.sleep(0.3)
            assert deployed(layout) == {OURS.flow_id}
        await_that(lambda: deployed(layout) == {OURS.flow_id, OTHER.flow_id}, 10)
        mirror.close()


def store_socket(url):
    from pathlib import Path

    return Path(url.partition("host=")[2]) / ".s.PGSQL.5432"


def test_a_pod_that_was_a_mirror_goes_on_without_the_database_and_a_new_one_waits(
    store, url, layout, monkeypatch, tmp_path
):
    monkeypatch.setattr(mirrors, "OLD_ENOUGH_SECONDS", 0.2)
    deploy(store, OURS)
    begin_mirror({"INTELLYHUB_DATABASE_URL": url}, layout).close()
    away = "postgresql://postgres@127.0.0.1:1/postgres"
    again = begin_mirror({"INTELLYHUB_DATABASE_URL": away}, layout)
    assert not again.complete
    assert deployed(layout) == {OURS.flow_id}
    again.close()

    with Proxy(store_socket(url)) as cable:
        cable.refuse()
        started = []
        far = f"postgresql://postgres@127.0.0.1:{cable.port}/postgres"
        new = Layout(data=layout.data.with_name("new"))
        waiting = threading.Thread(target=lambda: started.append(begin_mirror({"INTELLYHUB_DATABASE_URL": far}, new)))
        waiting.start()
        waiting.join(0.6)
        assert started == []
        cable.accept()
        waiting.join(15)
        started[0].close()
        assert deployed(new) == {OURS.flow_id}
