"""A deployed listener's parameters, as hooks and sources get them."""

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.listener import resolve_listener
from intellyhub_knative.platform.seal import seal
from intellyhub_knative.platform.tenants import Tenant

KEYS = Keys(b"k" * 32)


def resolve(listener, variables=None, keys=KEYS, **tenant):
    deployment = Deployment(
        tenant_id="a" * 32,
        tenant_slug="acme",
        flow_id="f" * 32,
        slug="f",
        name="f",
        versions=(Version(number=1, digest="d", path="/x"),),
        listener=listener,
        variables=variables or {},
    )
    sealed = {name: seal(value, KEYS) for name, value in tenant.pop("secrets", {}).items()}
    record = Tenant(tenant_id="a" * 32, slug="acme", max_pods=1, sealed_secrets=sealed, **tenant)
    return resolve_listener(deployment, record, keys, installed())


def test_names_come_from_the_flow_and_from_the_tenant_and_other_spellings_are_known():
    found = resolve(
        {"type": "webhook", "secret": "{MINE}", "webhook_url": "/x"}, {"MINE": "{TOKEN}-x"}, secrets={"TOKEN": "s3"}
    )
    assert (found["secret"], found["path"], found["methods"]) == ("s3-x", "/x", ["POST", "PUT"])


def test_the_platforms_own_environment_is_no_part_of_it(monkeypatch):
    monkeypatch.setenv("PLATFORM_PASSWORD", "p")
    with pytest.raises(InputInvalid, match="PLATFORM_PASSWORD"):
        resolve({"type": "webhook", "secret": "{PLATFORM_PASSWORD}"})


def test_a_secret_that_is_wanted_and_has_no_value_is_told_from_one_that_is_not_wanted():
    assert "secret" not in resolve({"type": "webhook"})
    assert resolve({"type": "webhook", "secret": "{X}"}, {"X": None})["secret"] is None
    assert resolve({"type": "webhook", "secret": None})["secret"] is None


def test_parameters_may_stand_in_a_block_of_their_own():
    assert resolve({"type": "webhook", "parameters": {"secret": "s"}})["secret"] == "s"


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ({"type": "pigeon"}, "'pigeon'"),
        ({}, "None"),
        ({"type": "webhook", "max_body_bytes": "many"}, "max_body_bytes"),
    ],
)
def test_what_cannot_be_used_is_said(listener, said):
    with pytest.raises(InputInvalid, match=said):
        resolve(listener)


def test_a_secret_that_was_sealed_with_another_key_is_no_secret():
    with pytest.raises(InputInvalid, match="sealed with another key"):
        resolve({"type": "webhook"}, secrets={"S": "x"}, keys=Keys(b"x" * 32))
