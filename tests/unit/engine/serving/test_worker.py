"""A worker put together from what an image has beside its flow."""

import json

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.worker import make_worker

FLOW = "name: mine\nstates:\n  a: {state_type: end}\n"
NAME = "t/f"


@pytest.fixture
def flow(tmp_path):
    path = tmp_path / "flow" / "flow.yaml"
    path.parent.mkdir()
    path.write_text(FLOW)
    return path


def make(flow, **fields):
    settings = Settings(flow=str(flow), workspace=str(flow.parent.parent / "workspace"), **fields)
    return make_worker(settings, {}).runner


def test_the_platforms_name_wins_over_the_texts(flow):
    assert make(flow, name=NAME).flow == NAME
    assert make(flow).flow == "mine"


def test_layers_are_found_from_the_flows_folder_on(flow):
    flow.with_name("layers.json").write_text(json.dumps({"k1": "plugins/.layers/x", "k2": "/layers/y"}))
    layers = make(flow).host.services["layers"]
    assert layers == {"k1": str(flow.parent / "plugins/.layers/x"), "k2": "/layers/y"}


def test_called_flows_have_the_names_of_the_image(flow):
    for slug in ("one", "two"):
        flow.with_name(f"{slug}.yaml").write_text(FLOW)
    flow.with_name("calls.json").write_text(json.dumps({"one": "t/one-id"}))
    find = make(flow, name=NAME).host.find_flow
    assert (find("one").name, find("one.yaml").name, find("two").name) == ("t/one-id", "t/one-id", "two")


def test_a_table_that_cannot_be_read_is_said_at_the_start(flow):
    flow.with_name("layers.json").write_text("[")
    with pytest.raises(InputInvalid, match=r"layers\.json"):
        make(flow)


def test_the_first_part_of_a_flows_name_is_whose_events_it_emits():
    assert Settings(name="t/f").tenant_id == "t"
