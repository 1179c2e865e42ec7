"""The reconciler's settings, and the page that lists them."""

import dataclasses
from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.cluster.settings import ProcessSettings, read_process_settings

PAGE = (Path(__file__).parents[4] / "docs/cluster.md").read_text()


def test_an_empty_environment_gives_the_defaults():
    assert read_process_settings({})[0] == ProcessSettings()


def test_every_variable_is_on_the_page():
    named = {field.metadata["variable"] for field in dataclasses.fields(ProcessSettings)}
    assert {name for name in named if f"| `{name}` |" not in PAGE} == set()


def test_every_bad_variable_is_named_at_once_and_no_password_is_shown():
    bad = {"INTELLYHUB_RECONCILE_WORKERS": "many", "INTELLYHUB_LEASE_SECONDS": "0", "INTELLYHUB_SCRATCH": "huge"}
    with pytest.raises(InputInvalid) as fault:
        read_process_settings(bad)
    assert all(name in str(fault.value) for name in bad)
    settings, _ = read_process_settings({"INTELLYHUB_DATABASE_URL": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)
