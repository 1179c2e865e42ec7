"""Credentials, and how registries are reached."""

import base64
import json

import pytest

from intellyhub_knative.images.errors import CredentialsUnusable, ReferenceInvalid, RegistryRefused
from intellyhub_knative.images.registry.access import Access, Credentials, read_access
from intellyhub_knative.images.registry.tokens import Challenge, TokenKeeper, read_challenge


def written(folder, document):
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return read_access({"DOCKER_CONFIG": str(folder)})


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_credentials_are_found_as_docker_login_and_kubernetes_write_them(tmp_path):
    access = written(
        tmp_path,
        {
            "auths": {
                "https://index.docker.io/v1/": {"auth": encoded("ada:se:cret")},
                "registry.example:5000": {"username": "bob", "password": "x"},
                "https://tokens.example/v2/": {"auth": encoded("c:"), "identitytoken": "refresh"},
                "empty.example": {},
            }
        },
    )
    assert access.who("docker.io") == Credentials(username="ada", password="se:cret")
    assert access.who("registry.example:5000") == Credentials(username="bob", password="x")
    assert access.who("tokens.example") == Credentials(username="c", identity_token="refresh")
    assert access.who("empty.example") is None


def test_without_a_file_everybody_is_a_stranger(tmp_path):
    assert read_access({"HOME": str(tmp_path)}).who("registry.example") is None


@pytest.mark.parametrize("document", ["{", "[]", '{"auths": {"a.example": {"auth": "%%"}}}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path, document):
    with pytest.raises(CredentialsUnusable, match=r"config\.json"):
        written(tmp_path, document)


def test_credentials_in_a_variable_win_and_are_not_shown_when_they_are_damaged(tmp_path):
    given = {"INTELLYHUB_REGISTRY_CREDENTIALS": '{"auths": {"a.example": {"username": "b"}}}', "HOME": str(tmp_path)}
    assert read_access(given).who("a.example") == Credentials(username="b")
    with pytest.raises(CredentialsUnusable, match="INTELLYHUB_REGISTRY_CREDENTIALS") as caught:
        read_access({"INTELLYHUB_REGISTRY_CREDENTIALS": "geheim"})
    assert "geheim" not in str(caught.value)


def test_programs_are_not_asked_and_only_missed_where_they_would_have_been(tmp_path):
    access = written(
        tmp_path,
        {
            "auths": {"a.example": {}, "b.example": {"auth": encoded("a:b")}},
            "credsStore": "x",
            "credHelpers": {"c.example": "y"},
        },
    )
    for host in ("a.example", "c.example"):
        with pytest.raises(CredentialsUnusable, match=f"{host} to a program"):
            access.who(host)
    assert access.who("b.example")
    assert access.who("d.example") is None


def test_secrets_are_in_no_repr():
    who = Credentials(username="ada", password="geheim", identity_token="heimlich")
    shown = repr(who) + repr(Access(credentials={"a": who}))
    assert "geheim" not in shown
    assert "heimlich" not in shown


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("registry.example", "https://registry.example"),
        ("registry.example:5000", "https://registry.example:5000"),
        ("plain.svc:5000", "http://plain.svc:5000"),
        ("plain.svc", "https://plain.svc"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("a.localhost", "http://a.localhost"),
        ("localhost.example", "https://localhost.example"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("docker.io", "https://registry-1.docker.io"),
    ],
)
def test_only_this_machine_and_named_registries_are_spoken_to_in_the_clear(host, address):
    access = read_access({"HOME": "/nonexistent", "INTELLYHUB_PLAIN_REGISTRIES": "plain.svc:5000, other"})
    assert access.address(host) == address


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("localhost:30500", "http://registry:5000"),
        ("registry.example", "https://10.0.0.1:5443"),
        ("other.example", "https://other.example"),
    ],
)
def test_a_name_may_be_reached_elsewhere_and_decides_whether_it_is_encrypted(name, address):
    hosts = "localhost:30500=registry:5000, registry.example=10.0.0.1:5443,"
    assert read_access({"HOME": "/nonexistent", "INTELLYHUB_REGISTRY_HOSTS": hosts}).address(name) == address


@pytest.mark.parametrize("hosts", ["localhost:30500", "=a:1", "a=", "a=b=c", "a=http://b", "a b=c"])
def test_hosts_that_cannot_be_read_are_named_with_the_right_form(hosts):
    with pytest.raises(ReferenceInvalid, match=r"INTELLYHUB_REGISTRY_HOSTS has .*NAME=HOST:PORT"):
        read_access({"HOME": "/nonexistent", "INTELLYHUB_REGISTRY_HOSTS": hosts})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="a, b"', Challenge(bearer=False)),
        ('basic realm="x"', Challenge(bearer=False)),
        (
            'Bearer realm="https://t.example/token",service="reg",scope="repository:a:pull,push"',
            Challenge(
                bearer=True,
                realm="https://t.example/token",
                service="reg",
                scopes=frozenset(("repository:a:pull,push",)),
            ),
        ),
        ('Basic realm="x", Bearer realm="https://t.example"', Challenge(bearer=True, realm="https://t.example")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_a_challenge_is_read(header, expected):
    assert read_challenge(header) == expected


def test_a_token_is_fetched_once_for_each_set_of_scopes():
    asked = []

    def fetch(method, url, headers, body):
        asked.append((method, url, dict(headers), body))
        return 200, json.dumps({"access_token": f"t{len(asked)}"}).encode()

    who = Credentials(username="ada", password="b")
    keeper = TokenKeeper("https://r.example", who, fetch)
    one, two = frozenset(("repository:a:pull",)), frozenset(("repository:a:pull", "repository:b:pull"))
    assert keeper.header(one) is None
    assert keeper.learn('Bearer realm="https://t.example/x?y=1",service="s"', one)
    assert keeper.header(one) == keeper.header(one) == "Bearer t1"
    assert keeper.header(two) == "Bearer t2"
    assert asked[0] == (
        "GET",
        "https://t.example/x?y=1&service=s&scope=repository%3Aa%3Apull",
        {"Authorization": who.basic},
        None,
    )
    assert len(asked) == 2


@pytest.mark.parametrize(
    "answer", [(200, b"{}"), (200, b"no"), (200, b'{"token": "a\\nb"}'), (401, b'{"token": "t"}'), (200, b"[]")]
)
def test_an_answer_without_a_token_is_refused(answer):
    keeper = TokenKeeper("https://r.example", None, lambda *_: answer)
    with pytest.raises(RegistryRefused, match="no token"):
        keeper.learn('Bearer realm="https://t.example"', frozenset())
