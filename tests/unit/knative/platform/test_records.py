"""Records as files."""

import orjson
import pytest

from intellyhub_knative.platform.deployments import Deployment, Version, read_deployments, write_deployment
from intellyhub_knative.platform.records import is_written, read_records, record_names, remove_record, write_record
from intellyhub_knative.platform.tenants import Tenant, read_tenants, write_tenant

FLOW = Deployment(
    tenant_id="a" * 32,
    tenant_slug="acme",
    flow_id="f" * 32,
    slug="orders",
    name="orders",
    versions=(Version(number=1, digest="d", path="/1"),),
    filters=({"exact": {"type": "t"}},),
)
TENANT = Tenant(tenant_id="a" * 32, slug="acme", max_pods=1, event_token_digests=("d",))


def test_what_is_written_is_read(tmp_path):
    write_deployment(tmp_path / "flows", FLOW)
    write_tenant(tmp_path / "tenants", TENANT)
    assert list(read_deployments(tmp_path / "flows")) == [FLOW]
    assert list(read_tenants(tmp_path / "tenants")) == [TENANT]


@pytest.mark.parametrize("place", [(), ("versions", 0), ("delivery",)])
def test_what_a_newer_version_wrote_beside_it_is_left_out(tmp_path, place):
    write_deployment(tmp_path, FLOW)
    path = tmp_path / f"{FLOW.flow_id}.json"
    document = orjson.loads(path.read_bytes())
    inner = document
    for step in place:
        inner = inner[step]
    inner["of_tomorrow"] = 1
    path.write_bytes(orjson.dumps(document))
    assert list(read_deployments(tmp_path)) == [FLOW]


def test_records_have_their_names_and_what_is_half_written_is_none(tmp_path):
    for name in ("b", "a"):
        write_record(tmp_path, name, {"name": name})
    (tmp_path / ".c.scratch").write_text("{")
    assert record_names(tmp_path) == ["a", "b"]
    assert list(read_records(tmp_path)) == [{"name": "a"}, {"name": "b"}]
    assert (is_written(tmp_path, "a", {"name": "a"}), is_written(tmp_path, "a", {"name": "x"})) == (True, False)
    remove_record(tmp_path, "a")
    remove_record(tmp_path, "a")
    assert (record_names(tmp_path), is_written(tmp_path, "a", {"name": "a"})) == (["b"], False)
    assert record_names(tmp_path / "nowhere") == []


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    write_record(tmp_path, "a", {"old": True})
    monkeypatch.setattr("intellyhub_knative.platform.records.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_record(tmp_path, "a", {"old": False})
    assert list(read_records(tmp_path)) == [{"old": True}]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
