"""What the environment says."""

import re
from pathlib import Path

import pytest

from intellyhub_control_plane.errors import SettingsInvalid
from intellyhub_control_plane.settings import Registration, Settings, read_settings


def test_an_empty_environment_gives_the_defaults():
    assert read_settings({"INTELLYHUB_MAX_PODS": ""}) == Settings()


def test_every_bad_variable_is_named_at_once():
    bad = {
        "DATABASE_URL": "mysql://x",
        "INTELLYHUB_REGISTRATION": "maybe",
        "JWT_ACCESS_TOKEN_EXPIRES_HOURS": "0",
        "INTELLYHUB_PUBLIC_URL": "example.org",
        "INTELLYHUB_ADMIN_EMAIL": "admin",
        "INTELLYHUB_ADMIN_PASSWORD": "x",
        "INTELLYHUB_MAX_PODS": "0",
        "INTELLYHUB_CONTROL_THREADS": "many",
        "INTELLYHUB_IDLE_SECONDS": "nan",
    }
    with pytest.raises(SettingsInvalid) as fault:
        read_settings(bad)
    assert len(fault.value.faults) == len(bad)
    assert all(any(name in each for each in fault.value.faults) for name in bad)


@pytest.mark.parametrize("written", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg2://u:p@h/d"])
def test_every_way_to_write_a_postgresql_means_the_driver_that_is_there(written):
    assert read_settings({"DATABASE_URL": written}).database_url == "postgresql+psycopg2://u:p@h/d"


def test_what_is_set_is_read_and_nothing_secret_is_in_the_repr():
    settings = read_settings(
        {
            "DATABASE_URL": "postgresql://u:hunter2@h/d",
            "INTELLYHUB_ADMIN_PASSWORD": "hunter2hunter2",
            "INTELLYHUB_REGISTRATION": "closed",
            "INTELLYHUB_PUBLIC_URL": "https://hub.example/",
        }
    )
    assert settings.registration is Registration.CLOSED
    assert settings.public_url == "https://hub.example"
    assert "hunter2" not in repr(settings)


def test_every_setting_is_on_the_page():
    root = Path(__file__).parents[3]
    code = (root / "control-plane/intellyhub_control_plane/settings.py").read_text()
    named = set(re.findall(r'"""`([A-Z_]+)`', code))
    assert len(named) == len(Settings.__annotations__)
    assert named == set(re.findall(r"^\| `([A-Z_]+)` \|", (root / "docs/api.md").read_text(), re.MULTILINE))
