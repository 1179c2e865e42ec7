"""What an installation offers."""

import pytest

from intellyhub_engine.catalogue.installed import VARIABLE, installed
from intellyhub_engine.errors import InputInvalid


@pytest.fixture(autouse=True)
def fresh():
    installed.cache_clear()
    yield
    installed.cache_clear()


def test_the_installed_functions_are_found_and_stand_beside_the_machines_own_types():
    catalogue = installed()
    assert {"if", "loop", "command", "telegram-bot", "llm_agent"} <= set(catalogue.states)
    assert {"rss", "telegram", "webhook", "schedule", "mqtt"} <= set(catalogue.sources)
    assert catalogue.values["rss_feed"]().value_type == "rss_feed"


def test_the_tables_can_be_named_outright(monkeypatch):
    monkeypatch.setenv(VARIABLE, "intellyhub_functions.catalogue:CATALOGUE")
    assert "command" in installed().states


def test_without_tables_the_machines_own_types_remain(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert "if" in installed().states
    assert "command" not in installed().states


@pytest.mark.parametrize("path", ["no.such.module:X", "json:NOTHING", "json:loads", ""])
def test_a_table_that_is_none_is_told(monkeypatch, path):
    monkeypatch.setenv(VARIABLE, path + ",")
    if not path:
        installed()
        return
    with pytest.raises(InputInvalid, match="INTELLYHUB_CATALOGUE names"):
        installed()


def test_a_package_cannot_replace_a_type_of_the_machine(monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{__name__}:IMPOSTOR")
    from intellyhub_engine.catalogue.control import CONTROL

    assert installed().states["if"] is CONTROL["if"]


def __getattr__(name):
    from intellyhub_engine.catalogue.manifest import Catalogue, StateType

    if name == "IMPOSTOR":
        return Catalogue(states={"if": StateType(type="if")})
    raise AttributeError(name)
