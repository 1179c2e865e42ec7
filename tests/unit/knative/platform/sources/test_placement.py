"""Which way the events of each listener come to it on a cluster."""

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_knative.platform.sources.placement import Way, interval_of, place
from tests.unit.knative.platform.house_double import data_folder, make_flow


def placed(listener, **more):
    with data_folder() as layout:
        return place(make_flow(layout, listener=listener, **more), installed())


@pytest.mark.parametrize(
    ("listener", "way"),
    [
        (None, Way.NONE),
        ({}, Way.NONE),
        ({"type": "event"}, Way.NONE),
        ({"type": "unheard_of"}, Way.NONE),
        ({"type": "webhook"}, Way.HOOK),
        ({"type": "mcp"}, Way.HOOK),
        ({"type": "a2a"}, Way.HOOK),
        ({"type": "telegram", "mode": "webhook"}, Way.HOOK),
        ({"type": "telegram"}, Way.LISTEN),
        ({"type": "mqtt"}, Way.LISTEN),
        ({"type": "directory"}, Way.LISTEN),
        ({"type": "email"}, Way.LISTEN),
        ({"type": "email", "idle": "{IDLE}"}, Way.LISTEN),
        ({"type": "email", "idle": False}, Way.POLL),
        ({"type": "email", "parameters": {"idle": False}}, Way.POLL),
        ({"type": "rss"}, Way.POLL),
        ({"type": "rss", "interval": 5}, Way.LISTEN),
        ({"type": "s3"}, Way.POLL),
        ({"type": "sqs"}, Way.POLL),
        ({"type": "postgres", "table": "outbox"}, Way.POLL),
        ({"type": "postgres", "channel": "news"}, Way.LISTEN),
        ({"type": "schedule", "cron": "0 9 * * *"}, Way.POLL),
        ({"type": "cron", "every": "1h"}, Way.POLL),
        ({"type": "schedule", "every": "2s"}, Way.LISTEN),
    ],
)
def test_each_listener_has_its_way(listener, way):
    placement = placed(listener)
    assert placement.way is way
    registered = listener is not None and listener.get("mode") == "webhook"
    assert bool(placement.cron) == (way is Way.POLL or registered)


def test_every_source_that_is_installed_is_placed_on_purpose():
    ways = {name: placed({"type": name}).way for name in installed().sources}
    shown = {name for name, way in ways.items() if way is not Way.NONE}
    known = {"a2a", "directory", "email", "mcp", "mqtt", "postgres", "rss", "s3", "schedule", "sqs", "telegram"}
    assert shown == known | {"webhook"}, "a new source: decide whether it is polled, and say so here"


def test_a_plugins_listener_stays_connected():
    assert placed({"type": "theirs"}, plugins=(InstalledPlugin(name="x", folder="/x"),)).way is Way.LISTEN


def test_an_interval_may_be_a_variable_of_the_flow():
    assert placed({"type": "rss", "check_interval": "{often}"}, variables={"often": 7200}).cron.endswith("/2 * * *")


def test_where_only_the_tenant_knows_the_interval_it_is_looked_every_minute_whether_it_is_time():
    cron = placed({"type": "rss", "check_interval": "{OFTEN}"}).cron
    assert cron.split()[1:] == ["*", "*", "*", "*", "*"]
    assert interval_of("rss", {"check_interval": 7200}) == 7200
