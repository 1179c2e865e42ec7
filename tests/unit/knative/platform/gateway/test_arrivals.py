"""Whose request it is, and which headers go on."""

import ipaddress

import pytest
from aiohttp.test_utils import make_mocked_request

from intellyhub_knative.platform.gateway.arrivals import find_base, find_client, forward_headers, read_headers

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.mark.parametrize(
    ("told", "peer", "client"),
    [
        ("", "198.51.100.7", "198.51.100.7"),
        ("1.2.3.4", "198.51.100.7", "198.51.100.7"),  # a stranger may tell what it likes
        ("1.2.3.4", "10.0.0.1", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "10.0.0.1", "1.2.3.4"),  # what stands before was told by a stranger
        ("6.6.6.6, 1.2.3.4, 10.0.0.9", "10.0.0.1", "1.2.3.4"),
        ("10.0.0.8", "10.0.0.1", "10.0.0.8"),
        ("nonsense", "10.0.0.1", "10.0.0.1"),
        ("::ffff:1.2.3.4", "::1", "1.2.3.4"),
        ("", "::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "::1", "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_can_tell_whose_request_it_is(told, peer, client):
    assert find_client({"x-forwarded-for": told}, peer, PROXIES) == client


def test_without_trusted_proxies_nobody_is_believed():
    assert find_client({"x-forwarded-for": "1.2.3.4"}, "127.0.0.1", ()) == "127.0.0.1"


HEADERS = {
    "Host": "flows.example",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=6.6.6.6",
    "X-IntellyHub-Tenant": "other",
    "Connection": "close, X-Hop",
    "X-Hop": "1",
    "Transfer-Encoding": "chunked",
    "Authorization": "Bearer t",
}


def forwarded(peer, trusted):
    request = make_mocked_request("GET", "/api", headers=HEADERS)
    return forward_headers(request.clone(remote=peer), trusted)


def test_the_control_plane_can_believe_what_it_is_told_of_the_client():
    headers = forwarded("198.51.100.7", PROXIES)
    assert dict(headers) == {
        "Host": "flows.example",
        "Authorization": "Bearer t",
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "flows.example",
    }


def test_a_trusted_proxys_word_is_passed_on_with_its_own_address():
    headers = forwarded("10.0.0.1", PROXIES)
    assert headers["X-Forwarded-For"] == "6.6.6.6, 10.0.0.1"
    assert headers["X-Forwarded-Proto"] == "https"
    assert "X-IntellyHub-Tenant" not in headers


def test_headers_are_the_bytes_of_the_wire():
    request = make_mocked_request("GET", "/", headers=[("X-Secret", "gehéim"), ("A", "1"), ("a", "2")])
    assert read_headers(request)["a"] == "1, 2"
    assert read_headers(request)["x-secret"].encode("latin-1").decode() == "gehéim"


@pytest.mark.parametrize(
    ("headers", "peer", "base"),
    [
        ({"host": "hub.test:5000"}, "10.0.0.9", "http://hub.test:5000"),
        (
            {"host": "inner", "x-forwarded-proto": "https", "x-forwarded-host": "hub.test"},
            "10.0.0.9",
            "https://hub.test",
        ),
        ({"host": "inner", "x-forwarded-proto": "https", "x-forwarded-host": "evil.test"}, "1.2.3.4", "http://inner"),
        ({"host": "inner", "x-forwarded-proto": "javascript"}, "10.0.0.9", "http://inner"),
        ({}, "10.0.0.9", "http://localhost"),
    ],
)
def test_where_the_caller_found_us_is_what_trusted_proxies_say(headers, peer, base):
    assert find_base(headers, peer, [ipaddress.ip_network("10.0.0.0/8")]) == base
