"""Where the contract is tried."""

from pathlib import Path

import pytest

from tests.contract.place import Place, PlaceUnclear, read_place

CLUSTER = {"INTELLYHUB_TEST_CLUSTER": "1", "KUBECONFIG": "/k", "INTELLYHUB_URL": "https://hub.example.org/"}


def test_without_a_cluster_a_platform_is_started_here_whatever_else_is_set():
    assert read_place({"INTELLYHUB_URL": "http://hub.test", "KUBECONFIG": "/k"}) == Place()


def test_a_cluster_is_named_with_what_is_needed_to_reach_it():
    place = read_place(CLUSTER | {"INTELLYHUB_TOKEN": "t", "INTELLYHUB_CONTRACT_REPORT": "r.md"})
    assert (place.is_cluster, place.url, place.token) == (True, "https://hub.example.org", "t")
    assert (place.host, place.seconds, place.report) == ("", 300.0, Path("r.md"))


@pytest.mark.parametrize("missing", ["KUBECONFIG", "INTELLYHUB_URL"])
def test_what_is_missing_is_named(missing):
    with pytest.raises(PlaceUnclear, match=missing):
        read_place({name: value for name, value in CLUSTER.items() if name != missing})
