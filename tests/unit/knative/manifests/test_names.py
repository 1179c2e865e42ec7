"""Names are legal, stable and nobody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_knative.manifests.names import (
    flow_name,
    flow_url,
    names_of,
    namespace_name,
    namespace_of,
    selector,
    service_account_user,
    tag_of,
    tenant_labels,
    version_url,
)
from tests.unit.knative.manifests.records import FLOW_ID, TENANT_ID, make_deployment, make_tenant

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
ids = st.uuids(version=4).map(lambda one: one.hex)
slugs = st.one_of(st.text(max_size=80), st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True))


@given(slugs, ids)
def test_every_slug_gives_a_name_with_room_for_what_knative_adds(slug, flow_id):
    name = flow_name(slug, flow_id)
    assert LABEL.fullmatch(name)
    assert len(f"v999999-{name}") <= 63  # one label of a host name
    assert len(f"{name}-00001") <= 63


@given(slugs, ids)
def test_every_name_of_a_flow_is_legal(slug, flow_id):
    names = names_of(make_deployment(slug=slug, flow_id=flow_id))
    for name in (names.service, names.keys, names.secrets, names.variables, names.tick, names.listener):
        assert LABEL.fullmatch(name)
        assert len(name) <= 63


@given(slugs, ids)
def test_every_slug_gives_a_legal_namespace_of_ours(slug, tenant_id):
    name = namespace_name(slug, tenant_id)
    assert LABEL.fullmatch(name)
    assert len(name) <= 63
    assert name.startswith("ih-")


@given(slugs, slugs, st.lists(ids, min_size=2, max_size=2, unique_by=lambda one: one[:8]))
def test_no_two_flows_have_one_name(slug, other, two):
    assert flow_name(slug, two[0]) != flow_name(other, two[1])
    assert namespace_name(slug, two[0]) != namespace_name(other, two[1])


def test_names_are_what_they_always_were():
    """A change of these loses every flow that is deployed."""
    deployment = make_deployment()
    assert namespace_of(make_tenant()) == namespace_of(deployment) == "ih-acme-01234567"
    assert names_of(deployment).service == "orders-fedcba98"
    assert flow_name("2-orders", FLOW_ID) == "f-2-orders-fedcba98"
    assert flow_name("---", FLOW_ID) == "f-fedcba98"
    assert namespace_name("", TENANT_ID) == "ih-01234567"
    assert flow_name("x" * 63, FLOW_ID) == "x" * 40 + "-fedcba98"


def test_addresses_name_service_namespace_and_version():
    deployment = make_deployment()
    assert flow_url(deployment) == "http://orders-fedcba98.ih-acme-01234567.svc.cluster.local"
    assert version_url(deployment, 2) == "http://v2-orders-fedcba98.ih-acme-01234567.svc.cluster.local"
    assert tag_of(2) == "v2"


def test_tokens_name_the_service_account_of_a_flow_or_of_its_listener():
    deployment = make_deployment()
    assert service_account_user(deployment) == "system:serviceaccount:ih-acme-01234567:orders-fedcba98"
    assert service_account_user(deployment, listener=True).endswith(":orders-fedcba98-listener")


def test_selectors_never_reach_beyond_what_is_ours():
    assert selector() == "app.kubernetes.io/managed-by=intellyhub"
    assert selector(tenant_id=TENANT_ID).endswith(f",intellyhub.dev/tenant-id={TENANT_ID}")
    assert tenant_labels(TENANT_ID)["app.kubernetes.io/managed-by"] == "intellyhub"


@pytest.mark.parametrize("wrong", ["", "abc", "F" * 32, "../../etc", "0" * 33])
def test_what_is_no_id_is_refused(wrong):
    with pytest.raises(ValueError, match="not an id"):
        flow_name("orders", wrong)
