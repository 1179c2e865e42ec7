"""What a webhook's rules let in, and what becomes of it."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.hook import Received, Refused
from intellyhub_functions.sources.webhook.rules import Challenge, make_rules
from intellyhub_functions.sources.webhook.test_signatures import GITHUB, SLACK, STRIPE


def received(case, *, body=None, **headers):
    headers = {**case["headers"], **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Received("POST", "/", "", headers, case["body"] if body is None else body, "10.1.2.3")


def accept(rules, request, at=0):
    return rules.accept(request, source="/me", now_ns=int(at * 1e9))


@pytest.mark.parametrize("secret", [None, "", "  ", "{WEBHOOK_SECRET}", "{{ WEBHOOK_SECRET }}"])
def test_a_secret_that_has_no_value_closes_the_hook(secret):
    with pytest.raises(PermanentError, match="the secret is empty"):
        make_rules({"secret": secret})


def test_a_signature_without_a_secret_closes_the_hook():
    with pytest.raises(PermanentError, match="needs the `secret`"):
        make_rules({"signature": "github"})


def test_githubs_delivery_names_the_event_so_that_a_replay_finds_its_run():
    rules = make_rules({"secret": GITHUB["secret"], "signature": "github"})
    events = [accept(rules, received(GITHUB, x_github_delivery="72d3162e")) for _ in range(2)]
    assert [event.id for event in events] == ["72d3162e", "72d3162e"]


def test_a_replay_cannot_make_itself_look_new_where_the_delivery_is_signed():
    rules = make_rules({"secret": SLACK["secret"], "signature": "slack"})
    first = accept(rules, received(SLACK), SLACK["at"])
    replayed = accept(rules, received(SLACK, idempotency_key="new"), SLACK["at"] + 100)
    assert first.id == replayed.id
    rules = make_rules({"secret": STRIPE["secret"], "signature": "stripe"})
    request = received(STRIPE, idempotency_key="new", content_type="application/json")
    assert accept(rules, request, STRIPE["at"]).id == "evt_test_webhook"


def test_slack_is_told_its_challenge_only_when_it_is_slack():
    rules = make_rules({})
    body = json.dumps({"token": "t", "challenge": "3eZbrw1aB", "type": "url_verification"}).encode()
    request = Received("POST", "/", "", {"content-type": "application/json"}, body, "::1")
    assert accept(rules, request) == Challenge(text="3eZbrw1aB")
    with pytest.raises(Refused) as refused:
        accept(make_rules({"secret": "s", "signature": "slack"}), request)
    assert refused.value.status == 401


def test_a_subscription_is_confirmed_for_who_knows_the_secret():
    rules = make_rules({"secret": "s"})
    query = "hub.mode=subscribe&hub.verify_token={}&hub.challenge=42"
    assert rules.admit("GET", "::1", query.format("s")) == Challenge(text="42")
    with pytest.raises(Refused):
        rules.admit("GET", "::1", query.format("t"))
    with pytest.raises(Refused):
        make_rules({}).admit("GET", "::1", query.format(""))


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        (["10.0.0.0/8", "::1"], "10.9.8.7", None),
        (["10.0.0.0/8", "::1"], "::1", None),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", None),
        (["2001:db8::/32"], "2001:db8:1::5", None),
        (["fe80::/10"], "fe80::1%eth0", None),
        (["10.0.0.0/8"], "11.0.0.1", 403),
        (["2001:db8::/32"], "2001:db9::", 403),
        ("10.0.0.1", "", 403),
    ],
)
def test_addresses_are_allowed_by_their_networks(allowed, address, status):
    rules = make_rules({"allowed_ips": allowed})
    if status is None:
        assert rules.admit("POST", address, "") is None
    else:
        with pytest.raises(Refused) as refused:
            rules.admit("POST", address, "")
        assert refused.value.status == status


def test_methods_are_those_of_the_author():
    rules = make_rules({"methods": "get, delete"})
    assert rules.admit("GET", "::1", "") is None
    with pytest.raises(Refused) as refused:
        rules.admit("POST", "::1", "")
    assert refused.value.status == 405


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
        (b"&".join(b"a%d=1" % n for n in range(2000)), "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body, kind):
    with pytest.raises(Refused) as refused:
        accept(make_rules({}), Received("POST", "/", "", {"content-type": kind}, body, "::1"))
    assert refused.value.status == 400


def test_a_query_with_thousands_of_fields_is_refused():
    with pytest.raises(Refused):
        accept(make_rules({}), Received("POST", "/", "&".join(f"a{n}=1" for n in range(2000)), {}, b"", "::1"))


def test_rules_show_no_secret():
    assert "s3cret" not in repr(make_rules({"secret": "s3cret"}))
