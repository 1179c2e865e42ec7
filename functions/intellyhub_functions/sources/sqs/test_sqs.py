"""The sqs source against moto's server, also over a proxy that fails as networks do."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="method-assign"

import contextlib
import json
import queue as queues
import uuid
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.source import Health, MemoryCursors
from intellyhub_functions.aws import queue as aws_queue
from intellyhub_functions.aws import reception
from intellyhub_functions.aws.queue import Queue, find_queue_account
from intellyhub_functions.sources.sqs.sqs import listen
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
    client = make_client("sqs", server)
    yield client
    client.close()


@pytest.fixture
def make_queue(client):
    def make(**attributes):
        name = f"q-{uuid.uuid4().hex}{'.fifo' if 'FifoQueue' in attributes else ''}"
        return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    return make


@pytest.fixture
def url(make_queue):
    return make_queue()


@pytest.fixture(autouse=True)
def asked_often(monkeypatch):
    """An empty queue is asked again soon."""
    monkeypatch.setattr(reception, "LEAST_SECONDS", 0.02)


def parameters_for(url, **more):
    return {"queue_url": url, "wait_seconds": 0, "visibility_timeout": 30, **ACCOUNT, **more}


def watch(url, tmp_path, *, consume=lambda event: None, context=None, **more):
    context = context or make_context(tmp_path)
    return Listening(listen(parameters_for(url, **more), context), context, consume)


def counts(client, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


def test_a_message_is_an_event_and_leaves_the_queue_when_the_next_is_asked_for(client, url, tmp_path):
    attributes = {
        "origin": {"DataType": "String", "StringValue": "shop"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\xff"},
    }
    sent = client.send_message(QueueUrl=url, MessageBody='{"order": 1}', MessageAttributes=attributes)
    with watch(url, tmp_path) as source:
        event = source.next()
        await_that(lambda: counts(client, url) == (0, 0))
    assert (event.id, event.type, event.source) == (
        sent["MessageId"],
        "io.intellyhub.sqs.message",
        "/flows/flow/listener",
    )
    assert event.data["body"] == {"order": 1}
    assert event.data["attributes"] == {"origin": "shop", "raw": "/w=="}
    assert event.data["receive_count"] == 1
    assert event.time == event.data["sent_at"]


def test_a_message_stays_until_its_event_is_stored_and_nobody_else_sees_it_meanwhile(client, url, tmp_path):
    client.send_message(QueueUrl=url, MessageBody="a")
    context = make_context(tmp_path)
    events = listen(parameters_for(url), context)
    assert next(events).data["body"] == "a"
    assert counts(client, url) == (0, 1)
    context.stopping.set()
    assert next(events, None) is None  # asking for the next one says that the first is stored
    await_that(lambda: counts(client, url) == (0, 0))


def test_storing_may_take_longer_than_the_message_is_hidden(client, url, tmp_path, monkeypatch):
    hidden = []
    monkeypatch.setattr(reception, "RENEWALS", 300)
    hide = Queue.hide

    def note(queue, receipts, seconds):
        hidden.append((receipts, seconds))
        hide(queue, receipts, seconds)

    monkeypatch.setattr(Queue, "hide", note)
    client.send_message(QueueUrl=url, MessageBody="a")
    context = make_context(tmp_path)
    events = listen(parameters_for(url, visibility_timeout=30), context)
    next(events)
    await_that(lambda: len(hidden) >= 2)
    context.stopping.set()
    events.close()
    assert {seconds for _, seconds in hidden[:2]} == {30}


def test_what_is_received_and_not_stored_when_the_source_ends_is_given_back_at_once(client, url, tmp_path):
    for number in range(3):
        client.send_message(QueueUrl=url, MessageBody=str(number))
    context = make_context(tmp_path)
    events = listen(parameters_for(url), context)
    first = next(events)
    context.stopping.set()
    events.close()  # the consumer died with the event in hand
    await_that(lambda: counts(client, url) == (3, 0))
    with watch(url, tmp_path) as source:
        again = {source.next().data["body"]: None for _ in range(3)}
    assert first.data["body"] in again
    assert len(again) == 3


def test_a_stored_message_that_cannot_be_deleted_comes_no_second_time(client, url, tmp_path, monkeypatch):
    cursors, log = MemoryCursors(), Log()
    client.send_message(QueueUrl=url, MessageBody="a")
    delete = Queue.delete

    def fail(self, receipts):
        raise RetryableError("the network is away")

    monkeypatch.setattr(Queue, "delete", fail)
    context = make_context(tmp_path, cursors=cursors, log=log)
    with watch(url, tmp_path, context=context, visibility_timeout=30) as source:
        assert source.next().data["body"] == "a"
        await_that(lambda: any(cursors.kept.values()))
    [receipt] = [
        message["ReceiptHandle"]
        for message in [*client.receive_message(QueueUrl=url).get("Messages", ()), {"ReceiptHandle": None}][:1]
    ]
    if receipt:
        client.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    monkeypatch.setattr(Queue, "delete", delete)
    again = make_context(tmp_path, cursors=cursors)
    make_visible(client, url)
    with watch(url, tmp_path, context=again) as source, pytest.raises(queues.Empty):
        source.next(seconds=0.3)
    assert counts(client, url) == (0, 0)
    assert not any(cursors.kept.values())


def make_visible(client, url):
    """What nobody holds any more is seen again: moto keeps its own time."""
    from moto.sqs.models import sqs_backends

    for account in sqs_backends.values():
        for region in account.values():
            for queue in region.queues.values():
                if queue.name == url.rpartition("/")[2]:
                    for message in queue._messages:
                        message.visible_at = 0


def test_an_unreadable_message_is_told_and_deleted_when_it_has_come_too_often(client, url, tmp_path):
    log = Log()
    client.send_message(QueueUrl=url, MessageBody="no json")
    client.send_message(QueueUrl=url, MessageBody='{"fine": true}')
    with watch(url, tmp_path, context=make_context(tmp_path, log=log), format="json", max_receives=2) as source:
        assert source.next().data["body"] == {"fine": True}
        await_that(lambda: counts(client, url) == (0, 1))
        assert "it stays in the queue (1. reception)" in log.text()
        make_visible(client, url)
        await_that(lambda: counts(client, url) == (0, 0))
    assert "it is deleted, because the queue has no dead letters" in log.text()


def test_an_unreadable_message_is_left_to_the_queue_s_dead_letters(client, make_queue, tmp_path):
    letters = make_queue()
    arn = client.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = make_queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"}))
    client.send_message(QueueUrl=url, MessageBody="no json")
    log = Log()
    with watch(url, tmp_path, context=make_context(tmp_path, log=log), format="json", max_receives=1):
        for reception in (1, 2):
            await_that(lambda reception=reception: f"({reception}. reception)" in log.text())
            make_visible(client, url)
        await_that(lambda: counts(client, letters) == (1, 0))


def test_a_group_s_messages_keep_their_order(client, make_queue, tmp_path):
    url = make_queue(FifoQueue="true", ContentBasedDeduplication="true")
    for number in range(12):
        client.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
    with watch(url, tmp_path) as source:
        events = [source.next() for _ in range(12)]
    assert [event.data["body"] for event in events] == [str(number) for number in range(12)]
    assert events[0].data["group_id"] == "g"


def test_a_server_that_goes_and_comes_back_loses_and_doubles_nothing(server, client, url, tmp_path):
    health: list[Health] = []
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        context = make_context(tmp_path, report=health.append)
        with watch(url, tmp_path, context=context, base_url=proxy.url) as source:
            for number in range(30):
                client.send_message(QueueUrl=url, MessageBody=str(number))
                if number == 10:
                    with proxy.gone():
                        await_that(lambda: health and not health[-1].connected)
                    await_that(lambda: health[-1].connected)
            make_visible(client, url)
            ids = [source.next().data["body"] for _ in range(30)]
    assert sorted(ids, key=int) == [str(number) for number in range(30)]
    assert any("cannot be reached" in state.message or "broke" in state.message for state in health)


def test_a_half_open_connection_is_found_and_told(server, client, url, tmp_path, monkeypatch):
    monkeypatch.setattr(aws_queue, "CALL_SECONDS", 0.3)
    health: list[Health] = []
    with Proxy(("127.0.0.1", int(server.rpartition(":")[2]))) as proxy:
        context = make_context(tmp_path, report=health.append)
        with watch(url, tmp_path, context=context, base_url=proxy.url) as source:
            await_that(lambda: health and health[-1].connected)
            proxy.freeze()
            await_that(lambda: not health[-1].connected)
            assert "did not answer within" in health[-1].message
            proxy.thaw()
            client.send_message(QueueUrl=url, MessageBody="after")
            await_that(lambda: health[-1].connected)
            make_visible(client, url)
            assert source.next().data["body"] == "after"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("com.amazonaws.sqs#QueueDoesNotExist", "ends: the queue orders"),
        ("com.amazon.coral.service#InvalidClientTokenId", "access key is not known"),
        ("com.amazon.coral.service#AccessDenied", "access is refused"),
    ],
)
def test_a_refusal_ends_the_listener_with_words(tmp_path, code, words):
    with LocalServer() as refusing:
        refusing.answer = lambda call: Answer.of_json({"__type": code, "message": "no"}, 400)
        parameters = parameters_for(f"{refusing.url}/123/orders", base_url=refusing.url)
        with pytest.raises(PermanentError, match=words) as told:
            next(listen(parameters, make_context(tmp_path)))
    assert ACCOUNT["secret_key"] not in str(told.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"Messages": [{}]}', b'{"Messages": 7}', b"[" * 100_000],
    ids=["empty", "list", "nothing", "number", "deep"],
)
def test_an_answer_that_is_not_sqs_s_is_told_and_asked_again_or_refused(tmp_path, body):
    health: list[Health] = []
    with LocalServer() as strange:
        strange.answer = lambda call: Answer(body=body, headers={"content-type": "application/x-amz-json-1.0"})
        context = make_context(tmp_path, report=health.append)
        with watch(f"{strange.url}/1/q", tmp_path, context=context) as source:
            with contextlib.suppress(queues.Empty, PermanentError):
                source.next(seconds=0.3)
            assert strange.calls


@pytest.mark.parametrize("url", ["", "orders", "ftp://x/1/q", "http://[/1/q", "https://sqs.eu-south-1.amazonaws.com"])
def test_what_is_no_address_of_a_queue_is_refused(tmp_path, url):
    with pytest.raises(PermanentError, match="queue_url is"):
        next(listen({"queue_url": url, **ACCOUNT}, make_context(tmp_path)))


def test_region_and_address_come_from_the_queue_s_own():
    keys = {"access_key": "a", "secret_key": "b"}
    here = find_queue_account(keys, {}, "https://sqs.eu-west-1.amazonaws.com/1/q")
    assert (here.region, here.base_url) == ("eu-west-1", None)
    old = find_queue_account(keys, {}, "https://eu-west-2.queue.amazonaws.com/1/q")
    assert (old.region, old.base_url) == ("eu-west-2", None)
    local = find_queue_account(keys, {"AWS_REGION": "x-1"}, "http://localhost:4566/1/q")
    assert (local.region, local.base_url) == ("x-1", "http://localhost:4566")


def test_the_example_keeps_an_order(tmp_path):
    run_example(Path(__file__).parent, tmp_path, names={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    assert (tmp_path / "orders.txt").read_text() == "1042: 99.5\n"
