"""Who may post events to which tenant."""

import asyncio
import hashlib
import time
from dataclasses import replace

import jwt
import pytest

from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.senders import check_pod, check_sender, find_pod
from intellyhub_knative.platform.key_sets import KeysUnavailable
from intellyhub_knative.platform.tenants import Tenant

KEY = b"k" * 32
TENANT = Tenant(
    tenant_id="a" * 32, slug="acme", max_pods=1, event_token_digests=(hashlib.sha256(b"ihub_good").hexdigest(),)
)


def token(key=KEY, algorithm="HS256", **changes):
    claims = {"sub": "u", "tenant": TENANT.tenant_id, "role": "editor", "exp": time.time() + 60} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


def check(shown, tenant=TENANT, scheme="Bearer"):
    return check_sender({"authorization": f"{scheme} {shown}"}, tenant, KEY)


def refusal(*arguments, **options):
    with pytest.raises(Refusal) as refused:
        check(*arguments, **options)
    return refused.value.fault


def test_an_api_token_of_the_tenant_and_an_access_token_may_post():
    assert check("ihub_good") is TENANT
    assert check(token()) is TENANT
    assert check(token(role="owner"), scheme="bearer") is TENANT


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "ihub_bad",
        token(exp=1),
        token(exp=None),
        token(sub=None),
        token(key=b"x" * 32),
        token(algorithm="HS512", key=b"k" * 64),
        jwt.encode({"sub": "u", "tenant": "a" * 32, "role": "owner", "exp": 2**33}, "", algorithm="none"),
        "x" * 5000,
        "é",
    ],
    ids=[
        "nothing",
        "a token that is not kept",
        "expired",
        "without an end",
        "of nobody",
        "of another key",
        "of another algorithm",
        "unsigned",
        "endless",
        "no ASCII",
    ],
)
def test_whoever_shows_nothing_valid_learns_nothing(shown):
    assert refusal(shown) is Fault.UNAUTHENTICATED
    assert refusal(shown, tenant=None) is Fault.UNAUTHENTICATED


def test_a_digest_is_no_token():
    assert refusal(TENANT.event_token_digests[0]) is Fault.UNAUTHENTICATED


def test_another_tenants_token_finds_no_tenant():
    assert refusal(token(tenant="b" * 32)) is Fault.NOT_FOUND
    assert refusal(token(), tenant=None) is Fault.NOT_FOUND
    other = Tenant(tenant_id="b" * 32, slug="other", max_pods=1)
    assert refusal(token(), tenant=other) is Fault.NOT_FOUND
    assert refusal("ihub_good", tenant=other) is Fault.UNAUTHENTICATED


def test_viewers_may_not_post():
    assert refusal(token(role="viewer")) is Fault.FORBIDDEN
    assert refusal(token(role=None)) is Fault.FORBIDDEN


def test_a_suspended_tenants_events_are_refused():
    suspended = Tenant(
        tenant_id="a" * 32, slug="acme", max_pods=1, event_token_digests=TENANT.event_token_digests, suspended=True
    )
    assert refusal("ihub_good", tenant=suspended) is Fault.FORBIDDEN


def test_basic_is_no_bearer():
    assert refusal("ihub_good", scheme="Basic") is Fault.UNAUTHENTICATED


class Pods:
    """Knows one pod's token."""

    def __init__(self, fault=None):
        self.fault = fault

    async def recognise_async(self, shown, deployments):
        if self.fault is not None:
            raise self.fault
        return next((one for one in deployments if shown == "a.pod.token"), None)


FLOW = Deployment(
    tenant_id=TENANT.tenant_id,
    tenant_slug="acme",
    flow_id="f" * 32,
    slug="orders",
    name="orders",
    versions=(Version(number=1, digest="d", path="/1"),),
)


def find(shown, pods):
    return asyncio.run(find_pod({"authorization": f"Bearer {shown}"}, pods, [FLOW]))


def test_a_flows_pod_is_known_by_its_token_on_clusters_only():
    assert find("a.pod.token", Pods()) is FLOW
    assert find("a.pod.token", None) is None
    assert find("ihub_a.pod.token", Pods()) is None
    assert find(token(), Pods()) is None


def test_a_pod_may_post_to_its_own_tenant_only():
    assert check_pod(FLOW, TENANT) is TENANT
    for other in (None, replace(TENANT, tenant_id="b" * 32), replace(TENANT, suspended=True)):
        with pytest.raises(Refusal) as refused:
            check_pod(FLOW, other)
        assert refused.value.fault is Fault.FORBIDDEN


def test_while_the_clusters_keys_are_away_pods_are_told_to_come_again():
    with pytest.raises(Refusal) as refused:
        find("a.pod.token", Pods(KeysUnavailable("away")))
    assert refused.value.fault is Fault.BUSY
