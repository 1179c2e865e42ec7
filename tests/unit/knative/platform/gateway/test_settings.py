"""What the gateway can be told."""

from dataclasses import fields
from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.gateway.settings import Settings, read_settings

DOCUMENT = Path(__file__).parents[5] / "docs" / "events.md"


def test_every_faulty_variable_is_named_at_once():
    with pytest.raises(InputInvalid) as fault:
        read_settings({"INTELLYHUB_PORT": "http", "INTELLYHUB_TRUSTED_PROXIES": "10.0.0.0/99"})
    assert "INTELLYHUB_PORT" in str(fault.value)
    assert "INTELLYHUB_TRUSTED_PROXIES" in str(fault.value)


def test_empty_is_unset():
    assert read_settings({"INTELLYHUB_PORT": ""}) == Settings()


def test_trusted_proxies_are_networks_or_addresses():
    found = read_settings({"INTELLYHUB_TRUSTED_PROXIES": "10.1.2.3/8, ::1"}).trusted_proxies
    assert [str(each) for each in found] == ["10.0.0.0/8", "::1/128"]


def test_every_setting_is_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [each.name for each in fields(Settings) if f"`{each.metadata['variable']}`" not in text] == []
