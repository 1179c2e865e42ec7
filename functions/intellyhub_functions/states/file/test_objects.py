"""The file state on objects in S3, against moto's server."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="method-assign"

import contextlib
import sys
import threading
from dataclasses import replace

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_functions.states.file import objects
from intellyhub_functions.states.file.file import perform
from intellyhub_functions.testing.moto import ACCOUNT, make_client, moto_server
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import make_step

BUCKET = "company-reports"


@pytest.fixture(scope="module")
def server():
    with moto_server() as url:
        yield url


@pytest.fixture
def client(server):
    client = make_client("s3", server)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": ACCOUNT["region"]})
    yield client
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def step(tmp_path, server):
    names = {
        "AWS_ACCESS_KEY_ID": ACCOUNT["access_key"],
        "AWS_SECRET_ACCESS_KEY": ACCOUNT["secret_key"],
        "AWS_REGION": ACCOUNT["region"],
        "AWS_ENDPOINT_URL": server,
    }
    return make_step(tmp_path, names)


def at(key):
    return f"s3://{BUCKET}/{key}"


def content_of(client, key):
    return client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_what_is_written_is_read_in_each_form(client, step):
    assert perform({"action": "write", "path": at("a/b.json"), "content": {"x": [1]}}, step) == at("a/b.json")
    assert client.head_object(Bucket=BUCKET, Key="a/b.json")["ContentType"] == "application/json"
    assert perform({"action": "read", "path": at("a/b.json"), "format": "json"}, step) == {"x": [1]}
    perform({"action": "write", "path": at("empty"), "content": ""}, step)
    assert perform({"action": "read", "path": at("empty")}, step) == ""


def test_an_object_above_the_limit_is_not_read(client, step):
    client.put_object(Bucket=BUCKET, Key="x", Body=b"12345")
    with pytest.raises(PermanentError, match="is larger than 4 bytes; `max_bytes`"):
        perform({"action": "read", "path": at("x"), "max_bytes": 4}, step)
    assert perform({"action": "read", "path": at("x"), "max_bytes": 5}, step) == "12345"


def test_a_compressed_object_comes_as_it_was_put(client, step):
    client.put_object(Bucket=BUCKET, Key="x.gz", Body=b"\x1f\x8b no gzip", ContentEncoding="gzip")
    assert perform({"action": "read", "path": at("x.gz"), "format": "bytes"}, step) == b"\x1f\x8b no gzip"


def test_appending_adds_once_a_step(client, step):
    for _ in range(2):
        perform({"action": "append", "path": at("log"), "content": "a\n"}, step)
    perform({"action": "append", "path": at("log"), "content": "b\n"}, replace(step, seq=2))
    perform({"action": "append", "path": at("log"), "content": "b\n"}, replace(step, seq=2))
    assert content_of(client, "log") == b"a\nb\n"


def test_an_append_keeps_what_another_one_added_meanwhile(client, step, monkeypatch):
    client.put_object(Bucket=BUCKET, Key="log", Body=b"first\n")
    write, others = objects.Objects.write, [b"first\ntheirs\n"]

    def write_after_another(self, place, content, **conditions):
        if others:
            client.put_object(Bucket=BUCKET, Key="log", Body=others.pop())
        write(self, place, content, **conditions)

    monkeypatch.setattr(objects.Objects, "write", write_after_another)
    perform({"action": "append", "path": at("log"), "content": "mine\n"}, step)
    assert content_of(client, "log") == b"first\ntheirs\nmine\n"


def test_copies_go_both_ways_and_stay_in_s3(client, step):
    (step.workspace / "report.pdf").write_bytes(b"%PDF")
    assert perform({"action": "copy", "path": "report.pdf", "destination": at("2025/")}, step) == at("2025/report.pdf")
    assert perform({"action": "copy", "path": at("2025/report.pdf"), "destination": at("kept")}, step) == at("kept")
    assert perform({"action": "copy", "path": at("kept"), "destination": "in/"}, step) == "in/kept"
    assert (step.workspace / "in/kept").read_bytes() == b"%PDF"


@pytest.mark.parametrize(("source", "target"), [("a", at("b")), (at("a"), "b"), (at("a"), at("b")), (at("a"), at("a"))])
def test_a_move_may_be_repeated(client, step, source, target):
    perform({"action": "write", "path": source, "content": "x"}, step)
    for _ in range(2):
        assert perform({"action": "move", "path": source, "destination": target}, step) == target
    assert perform(
        {
            "action": "exists",
            "path": source,
        },
        step,
    ) is (source == target)
    assert perform({"action": "read", "path": target}, step) == "x"


def test_a_destination_never_leads_out_of_the_workspace(client, step):
    client.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    with pytest.raises(PermanentError, match="outside the workspace"):
        perform({"action": "copy", "path": at("a"), "destination": "../a"}, step)


def test_listing_shows_one_level_or_what_fits_a_pattern(client, step):
    for key in ("in/b.csv", "in/a.csv", "in/c.txt", "in/.hidden", "in/sub/d.csv", "in/"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    inside = [at("in/a.csv"), at("in/b.csv"), at("in/c.txt"), at("in/sub/")]
    assert perform({"action": "list", "path": at("in")}, step) == inside
    assert perform({"action": "list", "path": at("in/*.csv")}, step) == inside[:2]
    assert perform({"action": "list", "path": f"s3://{BUCKET}"}, step) == [at("in/")]
    assert perform({"action": "list", "path": at("none/")}, step) == []


def test_a_listing_goes_on_over_pages_and_has_an_end(client, step, monkeypatch):
    for number in range(12):
        client.put_object(Bucket=BUCKET, Key=f"{number:02}", Body=b"")
    monkeypatch.setattr(objects, "MAX_LISTED", 11)
    with pytest.raises(PermanentError, match="more than 11 entries"):
        perform({"action": "list", "path": f"s3://{BUCKET}/"}, step)


def test_deleting_and_asking_know_what_is_gone(client, step):
    client.put_object(Bucket=BUCKET, Key="in/x", Body=b"")
    assert perform({"action": "exists", "path": at("in/")}, step) is True
    for _ in range(2):
        perform({"action": "delete", "path": at("in/x")}, step)
    assert perform({"action": "exists", "path": at("in/x")}, step) is False
    assert perform({"action": "exists", "path": at("in/")}, step) is False


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"action": "read", "path": at("none")}, "there is no such object"),
        ({"action": "read", "path": "s3://not-there/x"}, "there is no such bucket"),
        ({"action": "read", "path": "s3:///x"}, "names no bucket"),
        ({"action": "read", "path": at("../other/x")}, "no key may have"),
        ({"action": "write", "path": at("x/"), "content": ""}, "names a folder"),
        ({"action": "write", "path": at("x")}, "content is missing"),
        ({"action": "copy", "path": at("x")}, "destination is missing"),
        ({"action": "read", "path": at("x"), "base_url": "ftp://x"}, "not an http or https address"),
        ({"action": "read", "path": at("x"), "base_url": "http://169.254.169.254"}, "may not connect"),
        ({"action": "read", "path": "s3://a b/x"}, "s3://a b/x: .*Invalid bucket name"),
    ],
)
def test_what_cannot_be_done_is_said(client, step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform(parameters, step)


def test_keys_come_from_the_flow_and_never_from_the_platform(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the platform's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the platform's")
    with pytest.raises(PermanentError, match=r"S3 needs access_key .* and secret_key"):
        perform({"action": "read", "path": at("x")}, make_step(tmp_path))


def test_without_boto3_the_extra_is_named(step, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with pytest.raises(PermanentError, match=r"intellyhub-functions\[aws\]"):
        perform({"action": "read", "path": at("x")}, step)


def test_a_refused_key_is_told_without_the_secret(step):
    with LocalServer() as refusing:
        body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
        refusing.answer = lambda call: Answer(status=403, body=body)
        with pytest.raises(PermanentError, match="the secret key is wrong") as told:
            perform({"action": "read", "path": at("x"), "base_url": refusing.url}, step)
    assert ACCOUNT["secret_key"] not in str(told.value)


def test_a_busy_server_is_asked_again_when_it_says(step):
    with LocalServer() as busy:
        body = b"<Error><Code>SlowDown</Code><Message>later</Message></Error>"
        busy.answer = lambda call: Answer(status=503, body=body, headers={"retry-after": "7"})
        with pytest.raises(RetryableError, match="SlowDown") as told:
            perform({"action": "read", "path": at("x"), "base_url": busy.url}, step)
    assert told.value.retry_after_seconds == 7
    assert len(busy.calls) == 1


@pytest.mark.parametrize("body", [b"<not", b"<a>" * 50_000, b"\xff\xfe", b"{}"], ids=["cut", "deep", "binary", "json"])
@pytest.mark.parametrize("action", ["list", "exists", "copy"])
def test_an_answer_that_is_not_s3_s_fails_the_step_with_words(step, body, action):
    with LocalServer() as strange:
        strange.answer = lambda call: Answer(body=body, headers={"content-type": "application/xml"})
        parameters = {"action": action, "path": at("x/"), "base_url": strange.url, "destination": at("y")}
        with contextlib.suppress(PermanentError, RetryableError):
            perform(parameters, step)
        assert strange.calls


def test_a_silent_server_ends_with_the_step_s_time(server, step):
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        proxy.freeze()
        hurried = replace(step, timeout_seconds=0.2)
        with pytest.raises(StepTimedOut):
            perform({"action": "read", "path": at("x"), "base_url": proxy.url}, hurried)


def test_a_server_that_is_gone_may_come_back(server, client, step):
    client.put_object(Bucket=BUCKET, Key="x", Body=b"here")
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        parameters = {"action": "read", "path": at("x"), "base_url": proxy.url}
        with proxy.gone(), pytest.raises(RetryableError, match="broke"):
            perform(parameters, step)
        assert perform(parameters, step) == "here"


def test_a_cancelled_run_stops_listening_to_an_answer(step):
    cancelled = threading.Event()
    cancelled.set()
    with LocalServer() as slow:
        slow.answer = lambda call: Answer(body=b"x" * 100)
        with pytest.raises(StepCancelled):
            perform({"action": "read", "path": at("x"), "base_url": slow.url}, replace(step, cancelled=cancelled))
