"""Signatures, against the vectors that vendors publish."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import base64
import hashlib
import hmac
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.sources.webhook.signatures import Proven, Style, hide_secret, make_verify

GITHUB: dict[str, Any] = {  # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    "secret": "It's a Secret to Everybody",
    "body": b"Hello, World!",
    "headers": {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    },
    "at": 0,
}
SLACK: dict[str, Any] = {  # https://docs.slack.dev/authentication/verifying-requests-from-slack/
    "secret": "8f742231b10e8888abcd99yyyzzz85a5",
    "body": (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    ),
    "headers": {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    },
    "at": 1531420618,
}
STANDARD: dict[str, Any] = {  # the vector that the reference implementations of Standard Webhooks share
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "body": b'{"test": 2432232314}',
    "headers": {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    "at": 1614265330,
}


def stripe_headers(secret: str, body: bytes, at: int) -> dict[str, str]:
    """As Stripe describes it: https://docs.stripe.com/webhooks#verify-manually. It publishes no vector."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={digest},v0={'0' * 64}"}


STRIPE: dict[str, Any] = {
    "secret": "whsec_test_secret",
    "body": b'{"id": "evt_test_webhook", "object": "event"}',
    "headers": stripe_headers("whsec_test_secret", b'{"id": "evt_test_webhook", "object": "event"}', 1492774577),
    "at": 1492774577,
}
GITLAB_SHOWN: dict[str, Any] = {"secret": "s3cret", "body": b"{}", "headers": {"x-gitlab-token": "s3cret"}, "at": 0}

CASES = [
    pytest.param("github", GITHUB, id="github"),
    pytest.param("slack", SLACK, id="slack"),
    pytest.param("standard", STANDARD, id="standard"),
    pytest.param("gitlab", STANDARD, id="gitlab signed"),
    pytest.param("gitlab", GITLAB_SHOWN, id="gitlab token"),
    pytest.param("stripe", STRIPE, id="stripe"),
    pytest.param(None, GITHUB, id="a bare secret signs"),
    pytest.param("any", GITLAB_SHOWN, id="a bare secret is shown"),
]
SIGNED = [case for case in CASES if case.values[1] is not GITLAB_SHOWN]
TIMED = [case for case in CASES if case.values[1] in (SLACK, STANDARD, STRIPE)]


def check(style, case, **changes):
    case = {**case, **changes}
    return make_verify(style, case["secret"], 300)(case["headers"], case["body"], case["at"])


@pytest.mark.parametrize(("style", "case"), CASES)
def test_a_genuine_request_is_proven(style, case):
    assert check(style, case) is not None


@pytest.mark.parametrize(("style", "case"), SIGNED)
def test_a_changed_body_is_not(style, case):
    assert check(style, case, body=case["body"] + b" ") is None


@pytest.mark.parametrize(("style", "case"), CASES)
@pytest.mark.parametrize("secret", ["another", "whsec_AAAA", "gehéim ✓"])
def test_another_secret_proves_nothing(style, case, secret):
    assert check(style, case, secret=secret) is None


@pytest.mark.parametrize(("style", "case"), CASES)
def test_without_its_headers_a_request_is_not_proven(style, case):
    assert check(style, case, headers={}) is None
    assert check(style, case, headers=dict.fromkeys(case["headers"], "")) is None
    assert check(style, case, headers=dict.fromkeys(case["headers"], "é\xff,=,v1=,t=,sha256= v1, v1")) is None


@pytest.mark.parametrize(("style", "case"), TIMED)
@pytest.mark.parametrize("late", [301, -301, 86400])
def test_outside_the_replay_window_a_genuine_request_is_refused(style, case, late):
    assert check(style, case, at=case["at"] + late) is None
    assert check(style, case, at=case["at"] + (299 if late > 0 else -299)) is not None


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_what_a_standard_signature_covers_cannot_be_changed(name):
    assert check("standard", STANDARD, headers={**STANDARD["headers"], name: "1614265331"}) is None


def test_the_time_that_slack_signed_cannot_be_renewed():
    headers = {**SLACK["headers"], "x-slack-request-timestamp": str(SLACK["at"] + 1000)}
    assert check("slack", SLACK, headers=headers, at=SLACK["at"] + 1000) is None


def test_one_of_several_signatures_is_enough_while_a_secret_is_replaced():
    other = stripe_headers("whsec_old", STRIPE["body"], STRIPE["at"])["stripe-signature"]
    both = f"{other},{STRIPE['headers']['stripe-signature'].partition(',')[2]}"
    assert check("stripe", STRIPE, headers={"stripe-signature": both}) is not None
    signatures = "v1,bm9uZQ== " + STANDARD["headers"]["webhook-signature"]
    assert check("standard", STANDARD, headers={**STANDARD["headers"], "webhook-signature": signatures}) is not None


def test_older_schemes_of_a_vendor_do_not_count():
    digest = STRIPE["headers"]["stripe-signature"].partition("v1=")[2][:64]
    assert check("stripe", STRIPE, headers={"stripe-signature": f"t={STRIPE['at']},v0={digest}"}) is None
    value = STANDARD["headers"]["webhook-signature"].replace("v1,", "v1a,")
    assert check("standard", STANDARD, headers={**STANDARD["headers"], "webhook-signature": value}) is None


@pytest.mark.parametrize("secret", ["gehéim ✓", "秘密", "a" * 200])
def test_a_secret_may_be_any_text(secret):
    wire = secret.encode().decode("latin-1")
    digest = hmac.new(secret.encode(), b"x", hashlib.sha256).hexdigest()
    for headers in ({"x-webhook-secret": wire}, {"authorization": f"bearer {wire}"}, {"x-signature-256": digest}):
        assert make_verify("any", secret, 300)(headers, b"x", 0) is not None
    content = base64.b64encode(hmac.digest(secret.encode(), b"i.5.x", "sha256")).decode()
    headers = {"webhook-id": "i", "webhook-timestamp": "5", "webhook-signature": f"v1,{content}"}
    assert make_verify("standard", secret, 300)(headers, b"x", 5) is not None


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "SHA-512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_author_can_describe_a_signature(algorithm, encoding):
    described = {"header": "X-My-Sig", "algorithm": algorithm, "encoding": encoding, "prefix": "v=", "separator": ":"}
    digest = hmac.digest(b"k", b"7:body", algorithm.lower().replace("-", ""))
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    verify = make_verify({**described, "timestamp_header": "X-At"}, "k", 300)
    assert verify({"x-my-sig": f"v={text}", "x-at": "7"}, b"body", 7) == Proven(id=f"signed-{digest.hex()}")
    assert verify({"x-my-sig": f"v={text}", "x-at": "8"}, b"body", 7) is None
    assert verify({"x-my-sig": f"v={text}", "x-at": "7"}, b"body", 400) is None
    assert verify({"x-my-sig": text, "x-at": "7"}, b"body", 7) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("gitbucket", "none of any, github"),
        ({"algorithm": "sha256"}, "names of headers"),
        ({"header": "x y"}, "names of headers"),
        ({"header": "x", "algorithm": "md5"}, "`algorithm` is one of"),
        ({"header": "x", "encoding": "rot13"}, "`encoding` one of"),
        ({"header": "x", "heder": "y"}, "'heder' is none of"),
    ],
)
def test_a_signature_that_cannot_be_meant_is_refused(written, said):
    with pytest.raises(PermanentError, match=said):
        make_verify(written, "k", 300)


def test_a_style_may_stand_in_an_object():
    assert make_verify({"style": "github"}, GITHUB["secret"], 300)(GITHUB["headers"], GITHUB["body"], 0) is not None


def test_what_names_a_delivery_is_what_was_signed():
    assert check("standard", STANDARD).id == STANDARD["headers"]["webhook-id"]
    assert check("slack", SLACK) == check("slack", SLACK, at=SLACK["at"] + 60)
    assert check("github", GITHUB).id is None  # GitHub signs the body alone


def test_the_secret_is_not_among_the_headers_that_a_flow_sees():
    headers = {"x-mine": "gehéim".encode().decode("latin-1"), "authorization": "Token s", "x-other": "s3"}
    assert hide_secret(headers, "gehéim") == {"authorization": "Token s", "x-other": "s3"}
    assert hide_secret(headers, "s") == {"x-mine": headers["x-mine"], "x-other": "s3"}


def test_every_style_is_known():
    for style in Style:
        assert make_verify(style.value, "k", 300)({}, b"", 0) is None
