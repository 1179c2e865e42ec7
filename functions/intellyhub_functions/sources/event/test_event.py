"""The event source."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.values.projection import project
from intellyhub_functions.catalogue import CATALOGUE
from intellyhub_functions.sources.event.event import listen
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.surroundings import make_context


def test_listening_without_a_platform_says_what_to_do(tmp_path):
    with pytest.raises(PermanentError, match="--event FILE"):
        listen({"filter": {"type": "order.created"}}, make_context(tmp_path))


@pytest.mark.parametrize("spelling", ["event", "cloudevent", "broker", "event-listener"])
def test_every_spelling_finds_it(spelling):
    assert CATALOGUE.sources[spelling].type == "event"


def test_the_keys_of_the_data_are_variables_and_the_attributes_stand_at_the_event():
    event = Event(id="1", source="/shop", type="order.created", subject="1042", data={"order_id": 1042})
    names = project(event, CATALOGUE.sources["event"], Listener(type="event", parameters={}, output=None))
    assert (names["order_id"], names["event"].data.order_id) == (1042, 1042)
    assert (names["event"].type, names["event"].source, names["event"].subject) == ("order.created", "/shop", "1042")


def test_data_that_is_no_object_is_found_as_data():
    event = Event(id="1", source="/shop", type="t", data="text")
    names = project(event, CATALOGUE.sources["event"], Listener(type="event", parameters={}, output=None))
    assert names["event"].data == "text"


def test_the_example_keeps_what_the_sample_says(tmp_path):
    run_example(Path(__file__).parent, tmp_path)
    assert "{" not in (tmp_path / "seen.txt").read_text()
