"""The suite's way to a cluster, with a kubectl that answers from files."""

import json
import os

import pytest

from intellyhub_knative.manifests.names import FLOW_ID, MANAGED_BY, TENANT_ID
from tests.contract.cluster import KINDS, Cluster

FLOW, TENANT = "a" * 32, "b" * 32
KUBECTL = """#!/bin/sh
echo "$@" >> "{folder}/asked"
case "$*" in
  *"get pods"*) cat "{folder}/pods" ;;
  *"get "*) cat "{folder}/objects" ;;
  *) echo "error: no such thing" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Says what is put into `pods` and `objects`, and writes down what it is asked."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    service = {
        "kind": "Service",
        "metadata": {"name": "echo-aaaaaaaa", "namespace": "ih-main", "labels": {FLOW_ID: FLOW, TENANT_ID: TENANT}},
    }
    (tmp_path / "objects").write_text(json.dumps({"items": [service]}))
    return tmp_path


def test_a_flows_pods_are_those_of_its_service_that_stay(kubectl):
    pods = [{"metadata": {"name": "stays"}}, {"metadata": {"name": "goes", "deletionTimestamp": "now"}}]
    (kubectl / "pods").write_text(json.dumps({"items": pods}))
    assert [each["metadata"]["name"] for each in Cluster().pods(FLOW)] == ["stays"]
    asked = (kubectl / "asked").read_text()
    assert f"{MANAGED_BY}=intellyhub,{FLOW_ID}={FLOW}" in asked
    assert "--namespace ih-main --selector serving.knative.dev/service=echo-aaaaaaaa" in asked


def test_everything_that_a_flow_may_leave_is_asked_for(kubectl):
    assert Cluster().belongings(FLOW) == ["Service/echo-aaaaaaaa"] * len(KINDS)
    assert Cluster().flows(TENANT) == {FLOW}


def test_what_kubectl_refuses_is_told(kubectl):
    with pytest.raises(AssertionError, match="no such thing"):
        Cluster().apply({})
