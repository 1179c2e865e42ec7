"""What flows are made of, as the API tells it."""

import pytest

from intellyhub_engine.catalogue.installed import installed


@pytest.fixture(scope="module")
def told(shared_house):
    return shared_house.call(shared_house.person(), "GET", "/api/functions").json


def test_every_state_type_and_source_is_told(told):
    catalogue = installed()
    assert {each["type"] for each in told["states"]} == {catalogue.states[name].type for name in catalogue.states}
    assert {each["type"] for each in told["sources"]} == {catalogue.sources[name].type for name in catalogue.sources}


def test_parameters_are_told_as_the_manifest_has_them(told):
    file = next(each for each in told["states"] if each["type"] == "file")
    action = next(each for each in file["parameters"] if each["name"] == "action")
    known = installed().states["file"].parameters["action"]
    assert (action["enum"], action["description"]) == (list(known.enum), known.description)
