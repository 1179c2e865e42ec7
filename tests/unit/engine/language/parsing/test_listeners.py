"""The listener block, and listeners placed in the graph as states."""

import pytest

from intellyhub_engine.language.model import LogLine
from tests.unit.engine.language.small import codes_of, flow_of

END = "\nstates: {a: {state_type: end}}"


def test_a_listener_has_a_type_and_parameters():
    listener = flow_of("listener: {type: rss, url: u, check_interval: 300, output: news}" + END).listener
    assert (listener.type, listener.parameters, listener.output) == (
        "rss",
        {"feeds": "u", "check_interval": 300},
        "news",
    )


@pytest.mark.parametrize("written", ["rss", "rsslistener", "rss-listener", "RSSListener", "Rss_Listener"])
def test_every_spelling_of_a_listener_is_one(written):
    assert flow_of(f"listener: {{type: {written}, url: u}}" + END).listener.type == "rss"


def test_listener_type_wins_over_type():
    assert flow_of("listener: {type: x, listener_type: rss, url: u}" + END).listener.type == "rss"


def test_a_listener_may_be_just_its_type():
    assert flow_of("listener: email" + END).listener.type == "email"


def test_a_listener_without_a_type_is_an_error():
    assert codes_of("listener: {url: x}" + END) == ["missing-listener-type"]


def test_a_listener_that_is_a_list_is_an_error():
    assert codes_of("listener: [rss]" + END) == ["wrong-value"]


def test_a_listener_state_donates_its_keys():
    flow = flow_of(
        """
        listener: {listener_type: email-listener, poll_interval: 5}
        states:
          mail:
            {state_type: email-listener, server: s, poll_interval: 9, timeout: 3, output: mail, log: got, transition: b}
          b: {state_type: end}
        """
    )
    assert flow.listener.parameters == {"server": "s", "poll_interval": 5, "timeout": 3}
    assert flow.listener.output == "mail"
    state = flow.states["mail"]
    assert (state.type, state.parameters, state.output) == ("listener-state", {"listener": "email"}, "mail")
    assert (state.log, state.targets) == (LogLine(message="got"), {"next": "b"})


def test_a_listener_state_alone_makes_the_listener():
    flow = flow_of("states: {mail: {state_type: email_listener, server: s}}")
    assert (flow.listener.type, flow.listener.parameters) == ("email", {"server": "s"})


def test_a_listener_state_of_another_kind_donates_nothing():
    flow = flow_of("listener: {type: rss, url: u}\nstates: {mail: {state_type: email-listener, server: s}}")
    assert flow.listener.parameters == {"feeds": "u"}
