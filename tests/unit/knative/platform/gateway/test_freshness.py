"""What is published is known at once."""

from intellyhub_knative.platform.deployments import Deployment, Version, remove_deployment, write_deployment
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.tenants import Tenant, remove_tenant, write_tenant

TENANT = Tenant(tenant_id="a" * 32, slug="acme", max_pods=1)


def deployment(slug="orders", flow_id="f" * 32, **changes):
    version = Version(number=1, digest="d", path="/x")
    return Deployment(
        tenant_id="a" * 32,
        tenant_slug="acme",
        flow_id=flow_id,
        slug=slug,
        name=slug,
        versions=(version,),
        **changes,
    )


def test_every_change_is_known_to_the_next_look(tmp_path):
    layout = Layout(data=tmp_path)
    present = Present(layout)
    present.look()
    assert present.tenant("acme") is None
    write_tenant(layout.tenants, TENANT)
    for n in range(50):
        write_deployment(layout.deployments, deployment(active=bool(n % 2)))
        present.look()
        found = present.flow(TENANT, "orders")
        assert found is not None
        assert found.active is bool(n % 2)
    write_deployment(layout.deployments, deployment(slug="renamed"))
    present.look()
    assert present.flow(TENANT, "orders") is None
    assert present.flow(TENANT, "renamed") is not None
    remove_deployment(layout.deployments, "f" * 32)
    remove_tenant(layout.tenants, TENANT.tenant_id)
    present.look()
    assert present.flow(TENANT, "renamed") is None
    assert present.tenant("acme") is None


def test_two_tenants_may_call_their_flows_the_same(tmp_path):
    layout = Layout(data=tmp_path)
    other = Tenant(tenant_id="b" * 32, slug="other", max_pods=1)
    write_tenant(layout.tenants, TENANT)
    write_tenant(layout.tenants, other)
    write_deployment(layout.deployments, deployment())
    present = Present(layout)
    present.look()
    assert present.flow(TENANT, "orders") is not None
    assert present.flow(other, "orders") is None


def test_a_damaged_record_leaves_the_others(tmp_path):
    layout = Layout(data=tmp_path)
    write_tenant(layout.tenants, TENANT)
    (layout.tenants / "broken.json").write_text("{")
    present = Present(layout)
    present.look()
    assert present.tenant("acme") == TENANT
