"""The made-up long flow."""

import yaml

from tests.benchmarks.long_flow import LINES, make_long_flow


def test_it_has_about_300_lines():
    assert 290 <= LINES <= 310


def test_every_target_is_a_state():
    states = yaml.safe_load(make_long_flow())["states"]
    targets = {value for body in states.values() for key, value in body.items() if key.endswith("transition")}
    assert targets <= set(states)
