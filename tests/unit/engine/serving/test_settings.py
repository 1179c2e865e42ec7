"""What a worker reads from its environment."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.settings import PRIVATE, Settings, read_settings

PAGE = Path(__file__).parents[4] / "docs" / "worker.md"
OPEN = {"INTELLYHUB_AUTH": "none"}


def test_an_open_worker_needs_no_other_setting():
    settings = read_settings(OPEN)
    assert (settings.port, settings.concurrency, settings.flow_name) == (8080, 1, "flow")


def test_empty_means_unset():
    assert read_settings(OPEN | {"PORT": "", "INTELLYHUB_QUEUE_SECONDS": " "}).port == 8080


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "flow"),
        ({"INTELLYHUB_FLOW": "/flow/news.yaml"}, "news"),
        ({"INTELLYHUB_FLOW": "/flow/news.yaml", "K_SERVICE": "news-7"}, "news-7"),
        ({"K_SERVICE": "news-7", "INTELLYHUB_FLOW_NAME": "News"}, "News"),
    ],
)
def test_the_flows_name_is_given_or_found(environment, name):
    assert read_settings(OPEN | environment).flow_name == name


def test_every_bad_variable_is_named_at_once():
    bad = {
        "PORT": "80.5",
        "INTELLYHUB_LISTEN_FD": "-1",
        "INTELLYHUB_QUEUE_SECONDS": "nan",
        "INTELLYHUB_IDLE_SECONDS": "x",
        "INTELLYHUB_METRICS": "maybe",
        "INTELLYHUB_WORKER_TOKENS": "short",
        "K_CE_OVERRIDES": '{"extensions": {"a": 1}}',
    }
    with pytest.raises(InputInvalid) as caught:
        read_settings(bad)
    assert all(name in str(caught.value) for name in bad)
    assert "short," not in str(caught.value)


@pytest.mark.parametrize("value", ["{}", "[]", "null", "x", '{"extensions": []}'])
def test_overrides_have_knatives_form(value):
    with pytest.raises(InputInvalid):
        read_settings(OPEN | {"K_CE_OVERRIDES": value})
    right = '{"extensions": {"flow": "f1"}}'
    assert read_settings(OPEN | {"K_CE_OVERRIDES": right}).overrides == (("flow", "f1"),)


def test_a_worker_that_could_let_nobody_in_is_refused():
    with pytest.raises(InputInvalid, match="INTELLYHUB_AUTH=none"):
        read_settings({})


def test_several_tokens_are_separated_by_commas():
    settings = read_settings({"INTELLYHUB_WORKER_TOKENS": "0123456789abcdef, fedcba9876543210,"})
    assert settings.worker_tokens == ("0123456789abcdef", "fedcba9876543210")


def test_no_secret_is_shown_by_a_repr():
    assert "0123456789abcdef" not in repr(read_settings({"INTELLYHUB_WORKER_TOKENS": "0123456789abcdef"}))
    assert frozenset(("INTELLYHUB_WORKER_TOKENS", "INTELLYHUB_DELIVERY_SECRETS")) == PRIVATE


def test_every_setting_stands_in_the_manual_with_its_default_and_reason():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {part.metadata["variable"]: describe(part) for part in fields(Settings)}


def describe(part):
    """A setting's row, after its name: default, unit, reason."""
    default = {(): "", -1: ""}.get(part.default, part.default)
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"{f'`{shown}`' if shown else '-'} | {part.metadata['unit'] or '-'} | {part.metadata['why']}"
