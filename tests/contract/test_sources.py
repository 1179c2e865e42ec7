"""What makes events by itself: times, feeds, messages. Servers run on the machine of the tests."""

import itertools

import pytest

from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.mqtt_broker import AmqttBroker
from intellyhub_functions.testing.mqtt_listening import Sender
from intellyhub_functions.testing.telegram_api import TelegramApi

EVERY = {True: "15s", False: "1s"}
"""How often a cluster looks, and one machine. Below ten seconds a cluster keeps a pod of the flow's own."""


@pytest.fixture
def published(hub):
    """`published(slug, listener, told)`: a flow with that listener, whose result is what of an event is `told`."""
    slugs = []

    def publish(slug, listener, told):
        slugs.append(slug)
        hub.publish(slug, f"listener: {listener}\nstates:\n  done: {{state_type: end, result: {{told: '{told}'}}}}\n")
        return hub.await_ready(slug)

    yield publish
    for slug in slugs:
        hub.delete(slug)


def served(server, hub, place):
    """The server's address, as flows reach it."""
    return server.url.replace("0.0.0.0", place.host)


def connected(hub, flow):
    sources = hub.api("GET", "/api/sources?limit=200")["items"]
    health = next((each["health"] for each in sources if each["flow"]["id"] == flow["id"]), None)
    return health is not None and health["connected"]


def test_a_schedule_makes_a_run_at_each_of_its_times(hub, published):
    published("contract-schedule", f"{{type: schedule, every: {EVERY[hub.is_cluster]}}}", "{event.scheduled_at}")
    hub.until(lambda: len(hub.runs("contract-schedule", status="succeeded")) >= 2, "two times")
    times = [run["output"]["told"] for run in hub.runs("contract-schedule", status="succeeded")]
    assert len(set(times)) == len(times)
    assert all(later > earlier for later, earlier in itertools.pairwise(times))


@pytest.mark.inbound
def test_a_feed_makes_a_run_for_each_new_article(hub, place, published):
    with FeedServer(host="0.0.0.0" if hub.is_cluster else "127.0.0.1") as feeds:
        feeds.publish(Article(title="old", link="https://e.org/old"))
        interval = 15 if hub.is_cluster else 0.1
        listener = f"{{type: rss, url: '{served(feeds, hub, place)}/feed.xml', check_interval: {interval}}}"
        flow = published("contract-feed", listener, "{event.title}")
        hub.until(lambda: connected(hub, flow), "the first look")
        feeds.publish(Article(title="new", link="https://e.org/new"))
        hub.await_run_of("contract-feed", told="new")
        assert [run["output"]["told"] for run in hub.runs("contract-feed")] == ["new"]


@pytest.mark.inbound
def test_a_message_to_a_bot_makes_a_run(hub, place, published):
    with TelegramApi(host="0.0.0.0" if hub.is_cluster else "127.0.0.1") as bot:
        address = served(bot, hub, place)
        listener = (
            f"{{type: telegram, bot_token: '{bot.token}', api_url: '{address}', timeout: 1, polling_interval: 0.1}}"
        )
        flow = published("contract-bot", listener, "{event.text}")
        hub.until(lambda: connected(hub, flow), "the first contact")
        bot.write("hello there")
        hub.await_run_of("contract-bot", told="hello there")


@pytest.mark.local
def test_a_message_of_a_topic_makes_a_run(hub, published):
    with AmqttBroker() as broker, Sender(broker) as sender:
        listener = f"{{type: mqtt, host: 127.0.0.1, port: {broker.port}, username: ada, topic: 'home/#'}}"
        flow = published("contract-topic", listener, "{event.payload.temperature}")
        hub.until(lambda: connected(hub, flow), "the first contact")
        sender.send("home/kitchen", b'{"temperature": 21}')
        hub.await_run_of("contract-topic", told=21)
