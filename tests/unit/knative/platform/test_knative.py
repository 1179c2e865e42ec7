"""What processes are told about their cluster."""

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.knative import BROKERS, Knative, read_knative


def test_one_machine_is_no_cluster():
    assert read_knative({}) is read_knative({"INTELLYHUB_TARGET": "local"}) is None
    assert read_knative({"INTELLYHUB_TARGET": "knative"}) == Knative(broker_url=BROKERS, gateway=None)


def test_a_gateway_is_a_host_and_a_port():
    for written, place in {"127.0.0.1:81": ("127.0.0.1", 81), "[::1]:81": ("::1", 81)}.items():
        told = read_knative({"INTELLYHUB_TARGET": "knative", "INTELLYHUB_CLUSTER_GATEWAY": written})
        assert told.gateway == place  # type: ignore[union-attr]


def test_every_variable_that_cannot_be_used_is_named():
    environment = {
        "INTELLYHUB_TARGET": "knative",
        "INTELLYHUB_BROKER_URL": "http://x/{name}",
        "INTELLYHUB_CLUSTER_GATEWAY": "x",
    }
    with pytest.raises(InputInvalid, match=r"INTELLYHUB_BROKER_URL.*INTELLYHUB_CLUSTER_GATEWAY"):
        read_knative(environment)
    with pytest.raises(InputInvalid, match="it can be local or knative"):
        read_knative({"INTELLYHUB_TARGET": "swarm"})
