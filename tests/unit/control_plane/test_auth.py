"""Getting in, and being kept out."""

import time

import jwt
import pytest
from sqlalchemy import select

from intellyhub_control_plane.models.attempts import FAILURES_OF_ACCOUNT_AND_ADDRESS, FAILURES_OF_ADDRESS
from intellyhub_control_plane.models.people import Membership, User
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.shapes.shape import Request, Shape
from intellyhub_control_plane.web.wording import PATTERNS
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.tenants import read_tenants
from tests.unit.control_plane.engines import both_databases
from tests.unit.control_plane.house import PASSWORD, House

NEW = {"email": "Ada@Hub.test", "password": "a long enough password", "name": "Ada", "organisation": "Más Flows!"}


def log_in(house, email, password=PASSWORD, address="203.0.113.1", **more):
    return house.call(
        None, "POST", "/api/auth/login", {"email": email, "password": password, **more}, X_Forwarded_For=address
    )


@both_databases
def test_who_registers_owns_an_organisation_and_is_in(house):
    answer = house.call(None, "POST", "/api/auth/register", NEW)
    assert answer.status_code == 201
    session = answer.json
    assert (session["token_type"], session["expires_in"]) == ("bearer", 4 * 3600)
    me = house.client.get("/api/auth/me", headers={"Authorization": f"Bearer {session['access_token']}"}).json
    assert me == session["user"]
    assert (me["email"], me["tenant"]["slug"], me["tenant"]["role"]) == ("ada@hub.test", "mas-flows", "owner")
    assert [tenant.slug for tenant in read_tenants(house.layout.tenants)] == ["mas-flows"]


@both_databases
def test_an_address_is_taken_however_it_is_written(house):
    assert house.call(None, "POST", "/api/auth/register", NEW).status_code == 201
    again = house.call(None, "POST", "/api/auth/register", {**NEW, "email": "ADA@hub.TEST"})
    assert (again.status_code, again.json["type"]) == (409, "urn:intellyhub:problem:taken")


def test_two_organisations_of_one_name_have_two_slugs(house):
    slugs = [
        (house.call(None, "POST", "/api/auth/register", {**NEW, "email": email}).json or {})["user"]["tenant"]["slug"]
        for email in ("a@hub.test", "b@hub.test", "c@hub.test")
    ]
    assert slugs == ["mas-flows", "mas-flows-2", "mas-flows-3"]


def test_a_closed_platform_lets_nobody_register(layout, database_url):
    from intellyhub_control_plane.settings import Registration

    house = House(layout, database_url, registration=Registration.CLOSED)
    answer = house.call(None, "POST", "/api/auth/register", NEW)
    assert answer.status_code == 403
    assert "registration-closed" in answer.text
    house.close()


def test_a_password_is_kept_as_argon2id_and_never_shown(house):
    answer = house.call(None, "POST", "/api/auth/register", NEW)
    with house.database.transaction(writing=False) as session:
        kept = session.scalars(select(User.password_hash)).one()
    assert kept.startswith("$argon2id$")
    assert NEW["password"] not in answer.text
    assert kept not in answer.text


def test_a_login_is_told_nothing_about_which_part_was_wrong(house):
    person = house.person()
    wrong, unknown = log_in(house, person.email, "wrong"), log_in(house, "nobody@hub.test", "wrong")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json == unknown.json


@both_databases
def test_five_failures_close_an_account_to_that_address_only(house):
    person = house.person()
    for _ in range(FAILURES_OF_ACCOUNT_AND_ADDRESS):
        assert log_in(house, person.email, "wrong").status_code == 401
    blocked = log_in(house, person.email)
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= 15 * 60 + 1
    assert log_in(house, person.email, address="203.0.113.2").status_code == 200


def test_an_address_that_tries_many_accounts_is_closed_out(house):
    person = house.person()
    for number in range(FAILURES_OF_ADDRESS):
        assert log_in(house, f"nobody{number}@hub.test", "wrong").status_code == 401
    assert log_in(house, person.email).status_code == 429


def test_a_login_that_succeeds_forgives_the_failures_before_it(house):
    person = house.person()
    for _ in range(2):
        for _ in range(FAILURES_OF_ACCOUNT_AND_ADDRESS - 1):
            assert log_in(house, person.email, "wrong").status_code == 401
        assert log_in(house, person.email).status_code == 200


def test_who_belongs_to_two_organisations_chooses_one(house):
    owner, member = house.person(), house.person()
    with house.database.transaction() as session:
        session.add(Membership(tenant_id=owner.tenant_id, user_id=member.user_id, role=Role.VIEWER))
    chosen = log_in(house, member.email, tenant=owner.tenant_slug).json["user"]
    assert (chosen["tenant"]["id"], chosen["tenant"]["role"]) == (owner.tenant_id, "viewer")
    assert {tenant["id"] for tenant in chosen["tenants"]} == {owner.tenant_id, member.tenant_id}
    assert log_in(house, owner.email, tenant=member.tenant_slug).status_code == 401


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "Missing Authorization Header"),
        ("Basic YTpi", "the Authorization header is not `Bearer TOKEN`"),
        ("Bearer rubbish", "the access token is not one of this platform"),
        ("Bearer ihub_rubbish", "the API token was revoked, or has expired"),
    ],
)
def test_a_request_that_does_not_say_who_asks_is_refused(house, header, detail):
    answer = house.client.get("/api/flows", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json["detail"] == detail
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"


def forge(house, person, key=None, algorithm="HS256", **claims):
    content = {"sub": person.user_id, "tenant": person.tenant_id, "iat": 0, "exp": time.time() + 60, **claims}
    return jwt.encode(
        content, house.platform.keys.derive(Purpose.SESSIONS) if key is None else key, algorithm=algorithm
    )


def test_forged_and_stale_access_tokens_are_refused(house):
    person, other = house.person(), house.person()
    forged = {
        "another key": forge(house, person, key=b"x" * 32),
        "no signature": forge(house, person, key="", algorithm="none"),
        "expired": forge(house, person, exp=1),
        "another tenant": forge(house, person, tenant=other.tenant_id),
        "nobody": forge(house, person, sub="0" * 32),
    }
    answers = {
        name: house.client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code
        for name, token in forged.items()
    }
    assert answers == dict.fromkeys(forged, 401)
    honest = forge(house, person)
    assert house.client.get("/api/auth/me", headers={"Authorization": f"Bearer {honest}"}).status_code == 200


def test_the_role_of_now_counts_not_the_one_in_the_token(house):
    owner = house.person()
    token = forge(house, house.person(Role.VIEWER, of=owner), role="owner")
    answer = house.client.post(
        "/api/variables", json={"key": "a", "value": 1}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 403


def test_a_disabled_account_is_out_at_once(house):
    person = house.person()
    with house.database.transaction() as session:
        session.get_one(User, person.user_id).disabled = True
    assert house.call(person, "GET", "/api/auth/me").status_code == 401
    assert log_in(house, person.email).status_code == 401


def test_who_was_put_out_writes_no_more_at_once_and_reads_no_more_after_a_second(house):
    person, other = house.person(), house.person()
    assert house.call(person, "GET", "/api/flows").status_code == 200
    with house.database.transaction() as session:
        session.get_one(User, person.user_id).disabled = True
    assert house.call(person, "POST", "/api/variables", {"key": "a", "value": 1}).status_code == 401
    assert house.platform.members.seconds == 1
    house.platform.members.forget()
    assert house.call(person, "GET", "/api/flows").status_code == 401
    assert house.call(other, "GET", "/api/flows").status_code == 200


def test_who_is_remembered_is_remembered_for_one_organisation_only(house):
    owner, member = house.person(), house.person()
    with house.database.transaction() as session:
        session.add(Membership(tenant_id=owner.tenant_id, user_id=member.user_id, role=Role.VIEWER))
    guest = member._replace(token=forge(house, member, tenant=owner.tenant_id))
    for _ in range(2):
        for person, tenant_id, role in ((member, member.tenant_id, "owner"), (guest, owner.tenant_id, "viewer")):
            tenant = house.call(person, "GET", "/api/auth/me").json["tenant"]
            assert (tenant["id"], tenant["role"]) == (tenant_id, role)
    assert house.call(guest, "GET", "/api/secrets").status_code == 403
    assert house.call(member, "GET", "/api/secrets").status_code == 200


def test_an_access_token_that_was_good_ends_when_its_time_is_over(house, monkeypatch):
    person = house.person()
    soon = person._replace(token=forge(house, person, exp=time.time() + 60))
    assert house.call(soon, "GET", "/api/auth/me").status_code == 200
    later = time.time() + 61
    monkeypatch.setattr("intellyhub_control_plane.web.sessions.time.time", lambda: later)
    assert house.call(soon, "GET", "/api/auth/me").status_code == 401


def test_faults_of_a_request_are_named_all_at_once_and_repeat_no_value(house):
    answer = house.call(None, "POST", "/api/auth/register", {"email": "x", "password": "hunter2", "nmae": "Ada"})
    assert answer.status_code == 422
    assert {error["location"] for error in answer.json["errors"]} == {"body.email", "body.password", "body.nmae"}
    assert "hunter2" not in answer.text


def test_faults_of_a_request_are_told_in_words_for_a_person(house):
    ada = house.person()
    wrong = {"email": "x@", "password": "short", "nmae": "Ada", "organisation": 7}
    told = {e["location"]: e["message"] for e in house.call(None, "POST", "/api/auth/register", wrong).json["errors"]}
    assert told == {
        "body.email": "needs at least 3 characters",
        "body.password": "needs at least 8 characters",
        "body.nmae": "is no field here; did you mean 'name'?",
        "body.organisation": "is not a text",
    }
    answer = house.call(ada, "POST", "/api/flows", {"name": "", "slug": "Bad Slug!", "yaml": "x"}).json
    assert {error["location"]: error["message"] for error in answer["errors"]} == {
        "body.name": "needs at least 1 character",
        "body.slug": "is not made of small letters, digits and hyphens, 63 at most",
        "body.yaml_content": "is missing",
        "body.yaml": "is no field here (name, yaml_content, slug)",
    }
    assert house.call(ada, "GET", "/api/runs?limit=many").json["errors"][0]["message"] == "is not a whole number"
    [fault] = house.call(None, "POST", "/api/auth/register", {"email": "ada", "password": "x" * 12}).json["errors"]
    assert fault["message"] == "is not an e-mail address"


def patterns_in(schema):
    """Every `pattern` of a JSON Schema, however deep."""
    if isinstance(schema, list):
        return {pattern for each in schema for pattern in patterns_in(each)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own.union(*(patterns_in(each) for each in schema.values()))


def test_every_pattern_of_a_request_has_words():
    shapes, patterns = [Request, Shape], set()
    while shapes:
        shape = shapes.pop()
        shapes += shape.__subclasses__()
        patterns |= patterns_in(shape.model_json_schema())
    assert patterns <= set(PATTERNS)
    assert len(patterns) == 3


def test_a_role_is_called_by_its_name(house):
    viewer = house.person(Role.VIEWER)
    told = house.call(viewer, "POST", "/api/flows", {"name": "x", "yaml_content": ""}).json["detail"]
    assert told == "this asks for the role 'editor'; yours is 'viewer'"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"email": "\\ud800", "password": "x"}',
        b'{"email": "\xed\xa0\x80", "password": "x"}',
        b'{"email": NaN, "password": "x"}',
        b'{"email": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_body_that_is_no_json_is_a_fault_of_the_request(house, body):
    answer = house.client.post("/api/auth/login", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["errors"]) == (
        422,
        [{"location": "body", "message": "is not a JSON object"}],
    )
