"""The state types the machine performs itself."""

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Syntax
from intellyhub_engine.catalogue.names import fold
from intellyhub_engine.language.spelling import find_state_type

NAMES = {"if", "switch", "loop", "parallel", "wait", "call", "emit", "set", "assert", "end", "listener-state"}


def test_these_are_all_of_them():
    assert set(CONTROL) == NAMES


def test_no_two_types_share_a_spelling():
    spellings = [fold(each) for kind in CONTROL.values() for each in (kind.type, *kind.aliases)]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize("kind", CONTROL.values(), ids=lambda kind: kind.type)
def test_no_two_parameters_of_a_type_share_a_spelling(kind):
    spellings = [each for parameter in kind.parameters.values() for each in (parameter.name, *parameter.aliases)]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize("kind", CONTROL.values(), ids=lambda kind: kind.type)
def test_a_type_and_its_parameters_are_described(kind):
    assert kind.description.endswith(".")
    assert all(parameter.description for parameter in kind.parameters.values())


@pytest.mark.parametrize("name", ["if", "assert", "loop"])
def test_conditions_are_read_as_conditions(name):
    assert CONTROL[name].parameters["condition"].syntax is Syntax.CONDITION


def test_control_types_are_found_in_an_empty_catalogue():
    assert find_state_type("FOR-EACH", Catalogue()) is CONTROL["loop"]
