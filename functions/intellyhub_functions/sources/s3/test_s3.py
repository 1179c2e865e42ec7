"""The s3 source against moto's server: by looking and by notifications, also over a proxy that fails as networks do."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="method-assign"

import contextlib
import json
import queue as queues
import uuid
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.journal.cursors import FileCursors
from intellyhub_engine.machine.source import Health, MemoryCursors
from intellyhub_functions.sources.s3 import listing
from intellyhub_functions.sources.s3.s3 import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.moto import ACCOUNT, make_client, moto_server
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context


@pytest.fixture(scope="module")
def server():
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def client(server):
    client = make_client("s3", server)
    yield client
    client.close()


@pytest.fixture
def bucket(client):
    name = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": ACCOUNT["region"]})
    return name


@pytest.fixture
def put(client, bucket):
    return lambda key, body=b"x": client.put_object(Bucket=bucket, Key=key, Body=body)


def watch(server, bucket, tmp_path, *, context=None, consume=lambda event: None, **more):
    context = context or make_context(tmp_path)
    parameters = {"bucket": bucket, "check_interval": 0.02, "base_url": server, **ACCOUNT, **more}
    return Listening(listen(parameters, context), context, consume)


def await_first_look(source):
    await_that(lambda: any(source.context.cursors.kept))


def test_what_is_there_at_first_contact_makes_no_event_and_what_comes_does(server, bucket, put, tmp_path):
    put("in/old.csv")
    with watch(server, bucket, tmp_path, prefix="in/") as source:
        await_first_look(source)
        put("in/new.csv", b"12345")
        event = source.next()
    assert (event.type, event.source, event.subject) == (
        "io.intellyhub.s3.object",
        "/flows/flow/listener",
        "in/new.csv",
    )
    assert event.data["url"] == f"s3://{bucket}/in/new.csv"
    assert (event.data["name"], event.data["size"], event.data["event_type"]) == ("new.csv", 5, "created")
    assert event.time == event.data["modified_at"]


def test_existing_objects_come_when_asked_for_without_folders_and_what_no_pattern_means(server, bucket, put, tmp_path):
    for key in ("a.csv", "folder/", "b.txt", "folder/c.csv", "folder/tmp-d.csv"):
        put(key)
    patterns = {"file_patterns": "*.csv", "ignore_patterns": "tmp-*"}
    with watch(server, bucket, tmp_path, emit_existing=True, **patterns) as source:
        assert sorted(source.next().data["key"] for _ in range(2)) == ["a.csv", "folder/c.csv"]
        with pytest.raises(queues.Empty):
            source.next(seconds=0.2)


def test_a_replaced_object_is_told_again(server, bucket, put, tmp_path):
    with watch(server, bucket, tmp_path) as source:
        await_first_look(source)
        put("a", b"1")
        first = source.next()
        put("a", b"2")
        second = source.next()
    assert (first.data["key"], second.data["key"]) == ("a", "a")
    assert first.id != second.id


def test_a_restart_neither_repeats_nor_skips(server, bucket, put, tmp_path):
    put("one")
    with watch(server, bucket, tmp_path, emit_existing=True, context=durable(tmp_path)) as source:
        source.next()
        await_that(lambda: any("told" not in path.name for path in (tmp_path / "cursors").rglob("*")))
        put("two")
        source.next()
        await_that(lambda: knows(tmp_path, bucket, 2))
    put("while away")
    with watch(server, bucket, tmp_path, emit_existing=True, context=durable(tmp_path)) as source:
        assert source.next().data["key"] == "while away"
        with pytest.raises(queues.Empty):
            source.next(seconds=0.2)


def durable(tmp_path):
    return make_context(tmp_path, cursors=FileCursors(tmp_path / "cursors"))


def knows(tmp_path, bucket, count):
    kept = FileCursors(tmp_path / "cursors").get(f"s3 s3://{bucket}/") or {"seen": {}}
    return len(kept["seen"]) == count


def test_a_restart_in_the_middle_goes_on_where_it_was(server, bucket, put, tmp_path):
    for number in range(5):
        put(str(number))
    cursors, seen = MemoryCursors(), []
    for _ in range(5):
        events = listen(
            {"bucket": bucket, "base_url": server, "emit_existing": True, **ACCOUNT},
            make_context(tmp_path, cursors=cursors),
        )
        seen.append(next(events).data["key"])
        after = (
            next(events, None) if len(seen) < 5 else None
        )  # the first is stored, the second is lost with the process
        del events
        assert after is None or after.data["key"] == str(len(seen))
    assert seen == ["0", "1", "2", "3", "4"]


def test_an_event_that_was_not_safe_comes_again_with_its_id(server, bucket, put, tmp_path):
    put("a")
    context = make_context(tmp_path)
    parameters = {"bucket": bucket, "base_url": server, "emit_existing": True, **ACCOUNT}
    first = next(listen(parameters, context))
    assert next(listen(parameters, context)).id == first.id


def test_more_objects_than_are_remembered_one_by_one_are_told_once(server, bucket, put, tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MAX_SEEN", 4)
    monkeypatch.setattr(listing, "MAX_TOLD", 2)
    known = backdate(server, bucket, put, [f"{number:02}" for number in range(12)])
    with watch(server, bucket, tmp_path, emit_existing=True) as source:
        assert [source.next().data["key"] for _ in range(12)] == known
        with pytest.raises(queues.Empty):
            source.next(seconds=0.2)
        put("new")
        assert source.next().data["key"] == "new"


def backdate(server, bucket, put, keys):
    """Put objects whose times are a minute apart."""
    from datetime import timedelta

    from moto.s3.models import s3_backends

    for number, key in enumerate(keys):
        put(key)
        stored = s3_backends["123456789012"]["aws"].buckets[bucket].keys[key]
        stored.last_modified -= timedelta(minutes=len(keys) - number)
    return keys


def test_a_listing_goes_on_over_pages_and_has_an_end(server, bucket, put, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")
    for number in range(12):
        put(f"{number:02}")
    with watch(server, bucket, tmp_path, emit_existing=True) as source:
        assert len({source.next().data["key"] for _ in range(12)}) == 12
    monkeypatch.setattr(listing, "MAX_LISTED", 11)
    with (
        watch(server, bucket, tmp_path, emit_existing=True) as source,
        pytest.raises(PermanentError, match="more than 11 objects; watch a longer prefix"),
    ):
        source.next()


def test_a_server_that_goes_and_comes_back_loses_and_doubles_nothing(server, bucket, put, tmp_path):
    health: list[Health] = []
    log = Log()
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        context = make_context(tmp_path, report=health.append, log=log)
        with watch(proxy.url, bucket, tmp_path, context=context) as source:
            await_first_look(source)
            for number in range(20):
                put(f"{number:02}")
                if number == 10:
                    with proxy.gone():
                        await_that(lambda: not health[-1].connected)
                    await_that(lambda: health[-1].connected)
            found = [source.next().data["key"] for _ in range(20)]
            with pytest.raises(queues.Empty):
                source.next(seconds=0.1)
    assert sorted(found) == [f"{number:02}" for number in range(20)]
    assert "next try in" in log.text()


def test_a_half_open_connection_is_found_and_told(server, bucket, put, tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "CALL_SECONDS", 0.2)
    health: list[Health] = []
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        context = make_context(tmp_path, report=health.append)
        with watch(proxy.url, bucket, tmp_path, context=context) as source:
            await_that(lambda: health and health[-1].connected)
            proxy.freeze()
            await_that(lambda: not health[-1].connected)
            put("after")
            proxy.thaw()
            assert source.next().data["key"] == "after"
    assert health[-1].connected


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bucket": "not-there"}, "there is no such bucket"),
        ({"bucket": ""}, "bucket is missing"),
        ({"events": "moved"}, "known are created, removed"),
    ],
)
def test_what_cannot_be_watched_ends_the_listener_with_words(server, bucket, tmp_path, parameters, words):
    more = {"queue_url": f"{server}/1/q"} if "events" in parameters else {}
    with pytest.raises(PermanentError, match=words):
        next(listen({"bucket": bucket, "base_url": server, **ACCOUNT, **parameters, **more}, make_context(tmp_path)))


def test_refused_keys_end_the_listener_with_words_and_without_the_secret(tmp_path):
    with LocalServer() as refusing:
        refusing.answer = lambda call: Answer(status=403, body=b"<Error><Code>InvalidAccessKeyId</Code></Error>")
        with pytest.raises(PermanentError, match=r"the s3 listener ends: .*the access key is not known") as told:
            next(listen({"bucket": "box", "base_url": refusing.url, **ACCOUNT}, make_context(tmp_path)))
    assert ACCOUNT["secret_key"] not in str(told.value)


@pytest.mark.parametrize(
    "body",
    [
        b"no xml",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key><LastModified>never</LastModified></Contents></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    ],
)
def test_an_answer_that_is_not_s3_s_never_hangs_the_listener(tmp_path, body):
    with LocalServer() as strange:
        strange.answer = lambda call: Answer(body=body, headers={"content-type": "application/xml"})
        with watch(strange.url, "box", tmp_path) as source:
            with contextlib.suppress(queues.Empty, PermanentError):
                source.next(seconds=0.2)
            assert strange.calls


RECORD: dict[str, Any] = {
    "eventName": "ObjectCreated:Put",
    "eventTime": "2025-11-20T08:30:00.000Z",
    "s3": {
        "bucket": {"name": "box"},
        "object": {"key": "in/caff%C3%A8+nero.csv", "size": 5, "eTag": "abc", "sequencer": "0055AED6DCD90281E5"},
    },
}
BRIDGE: dict[str, Any] = {
    "detail-type": "Object Deleted",
    "time": "2025-11-20T08:31:00Z",
    "detail": {"bucket": {"name": "box"}, "object": {"key": "in/plus+sign.csv", "sequencer": "2"}},
}


@pytest.fixture
def queue(server):
    client = make_client("sqs", server)
    url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]

    def send(body):
        client.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    yield send, url
    client.close()


def test_notifications_of_every_way_are_told_and_others_are_not(server, queue, tmp_path):
    send, url = queue
    removed = {**RECORD, "eventName": "s3:ObjectRemoved:Delete", "s3": {**RECORD["s3"], "object": {"key": "in/b.csv"}}}
    elsewhere = {**RECORD, "s3": {**RECORD["s3"], "bucket": {"name": "other"}}}
    tagged = {**RECORD, "eventName": "ObjectTagging:Put"}
    send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "box"})
    send({"Records": [RECORD, removed, elsewhere, tagged]})
    send({"Type": "Notification", "Message": json.dumps({"Records": [RECORD]})})
    send(BRIDGE)
    settings = {"queue_url": url, "wait_seconds": 1, "prefix": "in/", "events": "created, removed"}
    with watch(server, "box", tmp_path, **settings) as source:
        first, second, third, fourth = (source.next() for _ in range(4))
        with pytest.raises(queues.Empty):
            source.next(seconds=0.2)
    assert (first.data["key"], first.data["size"], first.data["etag"]) == ("in/caffè nero.csv", 5, "abc")
    assert (second.data["event_type"], second.data["key"]) == ("removed", "in/b.csv")
    assert third.id == first.id
    assert (fourth.data["event_type"], fourth.data["key"]) == ("removed", "in/plus+sign.csv")


MALFORMED = ["no json", "[]", "7", '{"Records": 7}', '{"Records": [{}]}', '{"Type": "Notification"}', "[" * 9999]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_notification_is_told_and_deleted_and_the_next_comes(server, queue, tmp_path, body):
    send, url = queue
    log = Log()
    send(body)
    send({"Records": [RECORD]})
    context = make_context(tmp_path, log=log)
    with watch(server, "", tmp_path, context=context, queue_url=url, wait_seconds=1, max_receives=1) as source:
        assert source.next().data["key"] == "in/caffè nero.csv"
    assert "it is no notification of S3" in log.text()


def test_the_example_notes_what_came(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert (
        tmp_path / "invoices.txt"
    ).read_text() == "2025-11.pdf: 48213 bytes, s3://company-inbox/invoices/2025-11.pdf\n"
