"""Buckets, queues and databases, listened to by a process of the platform: nothing is lost or doubled when it dies."""

import uuid

import psycopg2
import pytest

from intellyhub_functions.sources.postgres import postgres
from intellyhub_functions.testing.moto import ACCOUNT, make_client, moto_server
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_functions.testing.proxy import Proxy
from tests.integration.platform_processes import Process, await_that
from tests.integration.test_sources import item, stored_events
from tests.unit.knative.platform.house_double import data_folder, make_flow, make_tenant

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data-sources")]
COUNT = 30


@pytest.fixture
def layout():
    with data_folder() as layout:
        make_tenant(layout)
        yield layout


@pytest.fixture(scope="module")
def aws():
    with moto_server() as url:
        yield url


def tell_while_it_dies(layout, flow, tell):
    """Let `tell(number)` make events while the host is killed and started again; what the journal has in the end."""
    with Process(layout, "journal"), Process(layout, "sources") as host, stored_events(layout) as events:
        await_that(lambda: item(host, flow)["connected"])
        for number in range(COUNT):
            tell(number)
            if number in (10, 20):
                await_that(events)
                host.kill()
                host.start()
        await_that(lambda: len(events()) >= COUNT, 50)
        await_that(lambda: item(host, flow)["connected"])
        return events()


def test_rows_of_an_outbox_make_one_event_each(layout):
    sql = (postgres.__file__ or "").replace("postgres.py", "outbox.sql")
    with postgresql() as socket, Proxy(socket) as proxy:
        shop = psycopg2.connect(host=str(socket.parent), user="postgres", dbname="postgres")
        shop.autocommit = True
        with open(sql) as statements:  # noqa: PTH123 - no file of ours
            shop.cursor().execute(statements.read())
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        flow = make_flow(layout, listener={"type": "postgres", "url": url, "check_interval": 0.5})

        def tell(number):
            shop.cursor().execute("INSERT INTO intellyhub_outbox (data) VALUES (%s)", (str(number),))

        found = tell_while_it_dies(layout, flow, tell)
        shop.close()
    assert [event.data["data"] for event in found] == list(range(COUNT))


def test_messages_of_a_queue_make_one_event_each(layout, aws):
    client = make_client("sqs", aws)
    url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
    more = {"wait_seconds": 1, "visibility_timeout": 3}
    flow = make_flow(layout, listener={"type": "sqs", "queue_url": url, **ACCOUNT, **more})
    found = tell_while_it_dies(layout, flow, lambda number: client.send_message(QueueUrl=url, MessageBody=str(number)))
    client.close()
    assert sorted(int(event.data["body"]) for event in found) == list(range(COUNT))


def test_objects_of_a_bucket_make_one_event_each(layout, aws):
    client = make_client("s3", aws)
    bucket = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ACCOUNT["region"]})
    client.put_object(Bucket=bucket, Key="old", Body=b"")
    listener = {"type": "s3", "bucket": bucket, "base_url": aws, "check_interval": 0.2, **ACCOUNT}
    flow = make_flow(layout, listener=listener)
    found = tell_while_it_dies(
        layout, flow, lambda number: client.put_object(Bucket=bucket, Key=f"{number:02}", Body=b"")
    )
    client.close()
    assert sorted(event.data["key"] for event in found) == [f"{number:02}" for number in range(COUNT)]
