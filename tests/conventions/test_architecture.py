"""The map of the house names only rooms and files that stand."""

import re

import pytest

from tests.conventions.house import ROOT

PLACES = sorted(set(re.findall(r"`((?:[a-z_-]+/)+[a-z_]+(?:\.py)?)`", (ROOT / "docs/architecture.md").read_text())))

BASES = (
    "",
    "engine/intellyhub_engine",
    "knative/intellyhub_knative/platform",
    "control-plane/intellyhub_control_plane",
)
"""Where the names of the map begin."""


def test_the_map_names_places():
    assert len(PLACES) > 20


@pytest.mark.parametrize("place", PLACES)
def test_every_place_of_the_map_stands(place):
    assert any((ROOT / base / place).exists() for base in BASES)
