"""Variables, secrets and API tokens, and what the platform's processes learn of them."""

import hashlib
import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.tokens import ApiToken
from intellyhub_knative.platform.seal import unseal
from intellyhub_knative.platform.tenants import read_tenants
from tests.unit.control_plane.engines import both_databases


@pytest.fixture
def ada(house):
    return house.person()


def record_of(house, person):
    return next(each for each in read_tenants(house.layout.tenants) if each.tenant_id == person.tenant_id)


@both_databases
def test_variables_are_set_changed_and_deleted(house, ada):
    for value in (1, [1, {"a": None}], None, "\u0000?", 10**30 / 3):
        answer = house.call(ada, "POST", "/api/variables", {"key": "limit", "value": value})
        assert (answer.status_code, answer.json["value"]) == (201, value)
        assert record_of(house, ada).variables == {"limit": value}
        assert house.call(ada, "GET", "/api/variables").json["variables"][0]["value"] == value
    assert house.call(ada, "DELETE", "/api/variables/limit").status_code == 204
    assert house.call(ada, "DELETE", "/api/variables/limit").status_code == 404
    assert record_of(house, ada).variables == {}


@both_databases
def test_a_secret_is_sealed_and_its_value_never_given(house, ada):
    house.call(ada, "POST", "/api/secrets", {"name": "API_KEY", "value": "first"})
    answer = house.call(ada, "POST", "/api/secrets", {"name": "API_KEY", "value": "tops3cret"})
    assert (answer.status_code, set(answer.json)) == (201, {"name", "updated_at"})
    listed = house.call(ada, "GET", "/api/secrets")
    assert [secret["name"] for secret in listed.json["secrets"]] == ["API_KEY"]
    assert "tops3cret" not in answer.text + listed.text
    record = (house.layout.tenants / f"{ada.tenant_id}.json").read_text()
    assert "tops3cret" not in record
    assert unseal(record_of(house, ada).sealed_secrets, house.platform.keys) == {"API_KEY": "tops3cret"}
    assert house.call(ada, "DELETE", "/api/secrets/API_KEY").status_code == 204
    assert record_of(house, ada).sealed_secrets == {}


def test_a_refused_secret_is_not_repeated(house, ada):
    answer = house.call(ada, "POST", "/api/secrets", {"name": "not a name", "value": "tops3cret"})
    assert answer.status_code == 422
    assert "tops3cret" not in answer.text


@both_databases
def test_an_api_token_is_shown_once_kept_as_a_digest_and_works(house, ada):
    made = house.call(ada, "POST", "/api/tokens", {"name": "ci", "expires_in_days": 90}).json
    assert made["token"].startswith("ihub_")
    assert made["hint"] == made["token"][-4:]
    listed = house.call(ada, "GET", "/api/tokens")
    assert made["token"] not in listed.text
    digest = hashlib.sha256(made["token"].encode()).hexdigest()
    assert record_of(house, ada).event_token_digests == (digest,)
    header = {"Authorization": f"Bearer {made['token']}"}
    me = house.client.get("/api/auth/me", headers=header).json
    assert (me["email"], me["tenant"]["id"]) == (ada.email, ada.tenant_id)
    assert house.client.post("/api/variables", json={"key": "a", "value": 1}, headers=header).status_code == 201
    assert house.call(ada, "GET", "/api/tokens").json["tokens"][0]["last_used_at"]
    assert house.call(ada, "DELETE", f"/api/tokens/{made['id']}").status_code == 204
    assert house.client.get("/api/auth/me", headers=header).status_code == 401
    assert record_of(house, ada).event_token_digests == ()


def test_a_token_may_do_less_than_its_owner_and_never_more(house, ada):
    viewer = house.person(Role.VIEWER, of=ada)
    assert house.call(viewer, "POST", "/api/tokens", {"name": "x", "role": "editor"}).status_code == 403
    weak = house.call(ada, "POST", "/api/tokens", {"name": "x", "role": "viewer"}).json["token"]
    header = {"Authorization": f"Bearer {weak}"}
    assert house.client.get("/api/flows", headers=header).status_code == 200
    assert house.client.post("/api/variables", json={"key": "a", "value": 1}, headers=header).status_code == 403
    assert record_of(house, ada).event_token_digests == ()


@both_databases
def test_a_token_that_only_reads_says_when_it_was_used(house, ada, monkeypatch):
    weak = house.call(ada, "POST", "/api/tokens", {"name": "x", "role": "viewer"}).json["token"]
    reader = ada._replace(token=weak)
    with monkeypatch.context() as patch:
        patch.setattr(ApiToken, "touch", full)
        assert house.call(reader, "GET", "/api/flows").status_code == 200
    assert house.call(ada, "GET", "/api/tokens").json["items"][0]["last_used_at"] is None
    assert house.call(reader, "GET", "/api/flows").status_code == 200
    assert house.call(ada, "GET", "/api/tokens").json["items"][0]["last_used_at"]


def full(*_):
    raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))


def test_a_token_stops_with_its_time(house, ada):
    made = house.call(ada, "POST", "/api/tokens", {"name": "x", "expires_in_days": 1}).json
    with house.database.transaction() as session:
        session.get_one(ApiToken, made["id"]).expires_at = now() - timedelta(seconds=1)
    assert house.client.get("/api/flows", headers={"Authorization": f"Bearer {made['token']}"}).status_code == 401
    house.platform.publisher.reconcile()
    assert record_of(house, ada).event_token_digests == ()
