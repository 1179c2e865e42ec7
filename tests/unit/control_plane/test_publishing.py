"""The target follows the database, whatever happened in between."""

import signal
import subprocess
import sys

import pytest

from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_knative.platform.deployments import read_deployments
from intellyhub_knative.platform.tenants import read_tenants
from tests.unit.control_plane.engines import both_databases
from tests.unit.control_plane.house import HELLO

DIES_BEFORE_IT_DEPLOYS = """
import os, signal, sys
from pathlib import Path
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.platform import make_platform
from intellyhub_control_plane.settings import Settings
from intellyhub_control_plane.target.local import LocalTarget
from intellyhub_knative.platform.keys import load_keys
from intellyhub_knative.platform.layout import Layout

folder, url, tenant_id, step, text = sys.argv[1:]
layout = Layout(data=Path(folder))
platform = make_platform(Settings(database_url=url), layout, load_keys(layout.key))

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

import intellyhub_control_plane.target.local as local
setattr(local, step, die)
with platform.database.transaction() as session:
    tenant = session.get_one(Tenant, tenant_id)
    flow = Flow.create(session, tenant, name="Late", slug="late")
    flow.publish(session, text, None, listener=None, variables={})
platform.publisher.publish_flow(tenant_id, flow.id)
"""


@pytest.fixture
def ada(house):
    return house.person()


def deployed(house):
    return {deployment.slug: deployment for deployment in read_deployments(house.layout.deployments)}


def written(house):
    files = (path for path in house.layout.data.rglob("*") if path.suffix in (".json", ".yaml"))
    return {path: path.stat().st_mtime_ns for path in files}


@both_databases
@pytest.mark.parametrize("step", ["put_text", "load_program", "write_deployment"])
def test_what_a_crash_left_undone_is_done_by_the_next_pass(house, ada, database_url, step):
    arguments = [str(house.layout.data), database_url, ada.tenant_id, step, HELLO]
    crashed = subprocess.run([sys.executable, "-c", DIES_BEFORE_IT_DEPLOYS, *arguments], check=False)
    assert crashed.returncode == -signal.SIGKILL
    assert "late" not in deployed(house)
    house.platform.publisher.reconcile()
    assert deployed(house)["late"].current.number == 1
    assert [tenant.slug for tenant in read_tenants(house.layout.tenants)] == [ada.tenant_slug]


def test_a_pass_changes_nothing_where_all_agrees(house, ada, monkeypatch):
    for number in range(3):
        house.flow(ada, name=f"Flow {number}")
    house.platform.publisher.reconcile()
    before = written(house)
    monkeypatch.setattr(LocalTarget, "deploy", None)
    house.platform.publisher.reconcile()
    after = written(house)
    assert (len(before), after) == (3 + 1 + 6, before)


def test_strays_are_removed_and_damage_is_repaired(house, ada):
    flow, stray = house.flow(ada), house.flow(ada, name="Stray")
    house.platform.publisher.reconcile()
    with house.database.transaction() as session:
        session.delete(session.get_one(Flow, stray["id"]))
    text = house.layout.flows_of(ada.tenant_id) / flow["id"] / "1.yaml"
    text.unlink()
    (house.layout.deployments / f"{'f' * 32}.json").write_text("{}")
    (house.layout.tenants / f"{ada.tenant_id}.json").write_text("{}")
    house.platform.publisher.reconcile()
    assert set(deployed(house)) == {"hello"}
    assert text.read_text() == HELLO
    assert [tenant.tenant_id for tenant in read_tenants(house.layout.tenants)] == [ada.tenant_id]


def test_a_deleted_tenant_is_taken_away_with_its_flows(house, ada):
    house.flow(ada)
    with house.database.transaction() as session:
        session.delete(session.get_one(Tenant, ada.tenant_id))
    house.platform.publisher.reconcile()
    assert deployed(house) == {}
    assert list(read_tenants(house.layout.tenants)) == []


def test_a_disk_that_is_full_keeps_the_flow_and_says_so(house, ada, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalTarget, "deploy", full)
        assert house.call(ada, "POST", "/api/flows", {"name": "Hello", "yaml_content": HELLO}).status_code == 201
        house.platform.publisher.reconcile()
    assert deployed(house) == {}
    house.platform.publisher.reconcile()
    assert set(deployed(house)) == {"hello"}


def test_a_disk_that_is_full_keeps_variables_and_tokens_and_tells_of_them_later(house, ada, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalTarget, "put_tenant", full)
        assert house.call(ada, "POST", "/api/variables", {"key": "a", "value": 1}).status_code == 201
        assert house.call(ada, "POST", "/api/tokens", {"name": "ci"}).status_code == 201
    assert list(read_tenants(house.layout.tenants)) == []
    house.platform.publisher.reconcile()
    [tenant] = read_tenants(house.layout.tenants)
    assert (tenant.variables, len(tenant.event_token_digests)) == ({"a": 1}, 1)
