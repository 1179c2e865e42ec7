"""The http state against a server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import socket
import threading
import time
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.language.values.values import TextRecord
from intellyhub_functions.states.http.expected import is_expected
from intellyhub_functions.states.http.http import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import configured, make_step


class Service(LocalServer):
    """Answers by path; `/echo` gives the request back."""

    def __init__(self):
        super().__init__()
        self.answers = {}

    def answer(self, call):
        path = call.path.partition("?")[0]
        if path == "/echo":
            return Answer.of_json({"method": call.method, "path": call.path, "body": call.body.decode()})
        found = self.answers.get(path, Answer(status=404))
        return found(call) if callable(found) else found


@pytest.fixture
def service():
    with Service() as server:
        yield server


@pytest.fixture
def step(tmp_path):
    return make_step(tmp_path)


def test_a_json_answer_is_a_value_and_a_text(service, step):
    service.answers["/user"] = Answer.of_json({"name": "Ada", "tags": ["a"]})
    result = perform({"url": f"{service.url}/user"}, step)
    assert (result.status, result.ok, result.json["name"]) == (200, True, "Ada")
    assert str(result) == '{"name": "Ada", "tags": ["a"]}'
    assert result.headers["content-type"] == "application/json"


def test_a_broken_connection_is_told_without_the_wrapping_of_a_library(step):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            connection, _ = listening.accept()
            connection.close()

        broken = threading.Thread(target=hang_up)
        broken.start()
        with pytest.raises(RetryableError) as caught:
            perform({"url": f"http://127.0.0.1:{listening.getsockname()[1]}/x"}, step)
        broken.join()
    assert "the connection broke: " in str(caught.value)
    assert "(" not in str(caught.value)


def test_a_body_makes_it_a_post_with_an_idempotency_key(service, step):
    result = perform({"url": f"{service.url}/echo", "json": {"a": 1}, "headers": {"X-Own": 5}}, step)
    assert (result.json["method"], result.json["body"]) == ("POST", '{"a": 1}')
    headers = service.calls[0].headers
    assert (headers["idempotency-key"], headers["x-own"], headers["content-type"]) == (
        "run-1/1",
        "5",
        "application/json",
    )


def test_a_get_carries_no_idempotency_key(service, step):
    perform({"url": f"{service.url}/echo"}, step)
    assert "idempotency-key" not in service.calls[0].headers


def test_query_parameters_join_those_of_the_address(service, step):
    perform({"url": f"{service.url}/echo?a=1", "query": {"b": "x y", "c": [1, 2], "d": None}}, step)
    assert service.calls[0].path == "/echo?a=1&b=x+y&c=1&c=2"


def test_forms_and_texts_are_sent_as_they_are(service, step):
    assert perform({"url": f"{service.url}/echo", "form": {"q": "à b"}}, step).json["body"] == "q=%C3%A0+b"
    assert perform({"url": f"{service.url}/echo", "body": "plain {text}"}, step).json["body"] == "plain {text}"


def test_two_bodies_are_refused(service, step):
    with pytest.raises(PermanentError, match="json and body are given"):
        perform({"url": f"{service.url}/echo", "json": 1, "body": "x"}, step)


@pytest.mark.parametrize(
    ("auth", "header"),
    [({"token": "t"}, "Bearer t"), ({"username": "u", "password": "p"}, "Basic dTpw")],
)
def test_authorization_is_basic_or_bearer(service, step, auth, header):
    perform({"url": f"{service.url}/echo", "auth": auth}, step)
    assert service.calls[0].headers["authorization"] == header


def test_an_unexpected_status_fails_and_gives_the_result(service, step):
    service.answers["/gone"] = Answer.of_json({"why": "moved"}, 410)
    with pytest.raises(PermanentError, match=r"GET http://127.0.0.1:\d+/gone answered 410") as failure:
        perform({"url": f"{service.url}/gone?token=secret"}, step)
    assert isinstance(failure.value.result, TextRecord)
    assert failure.value.result.json == {"why": "moved"}
    assert "secret" not in str(failure.value)


def test_an_error_can_be_accepted_or_expected(service, step):
    service.answers["/gone"] = Answer(status=410)
    assert perform({"url": f"{service.url}/gone", "accept_errors": True}, step).ok is False
    assert perform({"url": f"{service.url}/gone", "expected": [200, "41x"]}, step).status == 410


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_may_be_asked_again_when_it_says(service, step, status):
    service.answers["/busy"] = Answer(status=status, headers={"retry-after": "17"})
    with pytest.raises(RetryableError) as failure:
        perform({"url": f"{service.url}/busy"}, step)
    assert failure.value.retry_after_seconds == 17


def test_a_date_in_retry_after_is_a_number_of_seconds(service, step):
    service.answers["/busy"] = Answer(status=503, headers={"retry-after": "Wed, 01 Jan 2098 00:00:00 GMT"})
    with pytest.raises(RetryableError) as failure:
        perform({"url": f"{service.url}/busy"}, step)
    assert failure.value.retry_after_seconds == 24 * 3600


def test_a_closed_port_may_open_later(step):
    with Service() as server:
        url = server.url
    with pytest.raises(RetryableError, match="cannot be reached"):
        perform({"url": url}, step)


def test_a_server_that_does_not_answer_is_a_retryable_failure(service, step):
    release = threading.Event()
    service.answers["/slow"] = lambda call: Answer(status=200 if release.wait(5) else 500)
    with pytest.raises(RetryableError, match=r"did not answer within 0\.05 s"):
        perform({"url": f"{service.url}/slow", "timeout": 0.05}, step)
    release.set()


def test_the_steps_own_deadline_is_a_timeout(service, tmp_path):
    release = threading.Event()
    service.answers["/slow"] = lambda call: Answer(status=200 if release.wait(5) else 500)
    begun = time.monotonic()
    with pytest.raises(StepTimedOut):
        perform({"url": f"{service.url}/slow"}, make_step(tmp_path, timeout_seconds=0.05))
    assert time.monotonic() - begun < 2
    release.set()


def test_a_large_answer_is_refused_before_it_is_all_read(service, step):
    service.answers["/large"] = Answer(body=b"x" * 100_000)
    with pytest.raises(PermanentError, match="larger than 1000 bytes"):
        perform({"url": f"{service.url}/large", "max_body_bytes": 1000}, step)


def test_redirects_are_followed_and_bounded(service, step):
    service.answers["/a"] = Answer(status=302, headers={"location": "/echo"})
    service.answers["/loop"] = Answer(status=302, headers={"location": "/loop"})
    result = perform({"url": f"{service.url}/a", "json": {}}, step)
    assert (result.json["method"], result.url) == ("GET", f"{service.url}/echo")
    assert perform({"url": f"{service.url}/a", "follow_redirects": False}, step).status == 302
    with pytest.raises(PermanentError, match="redirects more than 5 times"):
        perform({"url": f"{service.url}/loop"}, step)


def test_authorization_does_not_follow_to_another_origin(service, step):
    with Service() as other:
        service.answers["/away"] = Answer(status=307, headers={"location": f"{other.url}/echo"})
        perform({"url": f"{service.url}/away", "auth": {"token": "t"}, "json": {"a": 1}}, step)
        assert "authorization" not in other.calls[0].headers
        assert other.calls[0].body == b'{"a": 1}'


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/x", "http://", "nonsense", "http://[::1", "http://h:x/"]
)
def test_only_http_addresses_are_asked(step, url):
    with pytest.raises(PermanentError, match="not an http or https address"):
        perform({"url": url}, step)


def test_an_address_that_is_none_is_told_without_its_query(step):
    with pytest.raises(PermanentError, match="not an http or https address") as failure:
        perform({"url": "http://me:s3cr3t@[::1/?key=s3cr3t", "query": {"a": 1}}, step)
    assert "s3cr3t" not in str(failure.value)


def test_a_binary_answer_is_bytes(service, step):
    service.answers["/picture"] = Answer(body=b"\x89PNG\xff", headers={"content-type": "image/png"})
    assert perform({"url": f"{service.url}/picture"}, step).body == b"\x89PNG\xff"


def test_a_header_cannot_smuggle_in_another(service, step):
    with pytest.raises(PermanentError, match="cannot be sent"):
        perform({"url": f"{service.url}/echo", "headers": {"x": "a\r\nx-admin: 1"}}, step)


def test_inner_addresses_are_refused_where_only_the_public_internet_is_allowed(service, step):
    with configured(INTELLYHUB_NETWORK="public"), pytest.raises(PermanentError, match="may not connect to"):
        perform({"url": f"{service.url.replace('127.0.0.1', 'localhost')}/echo"}, step)
    assert service.calls == []


@pytest.mark.parametrize(
    ("status", "expected", "answer"),
    [
        (200, None, True),
        (404, None, False),
        (404, "404", True),
        (204, "2xx", True),
        (500, "2xx, 404", False),
        (404, [404], True),
    ],
)
def test_expected_statuses_are_numbers_or_classes(status, expected, answer):
    assert is_expected(status, expected) is answer


def test_a_status_that_is_none_is_named():
    with pytest.raises(PermanentError, match="'ok'"):
        is_expected(200, "ok")


def test_the_example_asks_and_tells(service, tmp_path):
    service.answers |= {"/orders": Answer.of_json([{"id": 1}, {"id": 2}]), "/seen": Answer(status=204)}
    run_example(Path(__file__).parent, tmp_path, names={"API_URL": service.url})
    assert service.calls[-1].body == b'{"count": 2}'
