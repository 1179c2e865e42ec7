"""What the Service of a flow says, and what is refused before a cluster sees it."""

from __future__ import annotations

import base64
from dataclasses import fields

import orjson
import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.settings import Settings as WorkerSettings
from intellyhub_knative.manifests.flow import make_flow_objects, make_service
from intellyhub_knative.manifests.objects import MAX_SECRET_BYTES
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.sources import make_listener
from intellyhub_knative.platform.deployments import Container, Quantities
from intellyhub_knative.platform.keys import Keys, Purpose
from tests.unit.knative.manifests.cases import OWNER
from tests.unit.knative.manifests.records import KEYS, SETTINGS, make_deployment, make_tenant, make_version, sealed


def service(tenant=None, settings=SETTINGS, traffic=None, **changed):
    deployment = make_deployment(**changed)
    given = (deployment, deployment.current, tenant or make_tenant(), settings)
    return make_service(*given, *((traffic,) if traffic is not None else ()))


def template(**changed):
    return service(**changed)["spec"]["template"]


def scaling(**changed):
    annotations = template(**changed)["metadata"]["annotations"]
    return {key.removeprefix("autoscaling.knative.dev/"): value for key, value in annotations.items()}


def opened(manifest):
    return {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}


def objects(deployment=None, tenant=None, owner=None):
    made = make_flow_objects(deployment or make_deployment(), tenant or make_tenant(), KEYS, owner)
    return {manifest["metadata"]["name"].removeprefix("orders-fedcba98"): manifest for manifest in made}


def test_a_flow_never_gets_more_pods_than_its_tenant_may_have():
    assert scaling(max_scale=50, tenant=make_tenant(max_pods=7))["max-scale"] == "7"
    assert scaling(max_scale=3, min_scale=5)["min-scale"] == "3"


@pytest.mark.parametrize(("idle", "window"), [(1.0, "6s"), (30.0, "30s"), (30.2, "31s"), (1e6, "3600s")])
def test_the_idle_time_becomes_a_window_that_knative_takes(idle, window):
    assert scaling(idle_seconds=idle)["window"] == window


@pytest.mark.parametrize(("seconds", "timeout"), [(0.2, 1), (300.0, 300), (3600.0, 600)])
def test_a_request_lasts_ten_minutes_at_most(seconds, timeout):
    assert template(timeout_seconds=seconds)["spec"]["timeoutSeconds"] == timeout


def test_requests_queue_in_the_activator():
    assert "target-burst-capacity" not in scaling()


def test_an_image_is_named_by_its_digest():
    with pytest.raises(InputInvalid, match="no image has been built"):
        service(versions=(make_version(1, image=""),))
    with pytest.raises(InputInvalid, match="not named by its digest"):
        service(versions=(make_version(1, image="registry.example.org/flows/orders:latest"),))


def test_a_new_version_makes_another_template_and_a_new_secret_does_not():
    first = template()
    assert template(versions=(make_version(4),)) != first
    tenant = make_tenant(variables={"region": "us"}, sealed_secrets=sealed(TOKEN="x"))
    assert template(tenant=tenant) == first


@pytest.mark.parametrize("concurrency", [0, 1001])
def test_a_pod_does_one_run_at_a_time_or_a_thousand(concurrency):
    with pytest.raises(InputInvalid, match="concurrency"):
        service(concurrency=concurrency)


def test_no_pods_at_all_is_not_said_with_max_scale_zero():
    with pytest.raises(InputInvalid, match="no bound"):
        service(max_scale=0)


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ([{"latestRevision": True, "percent": 90}], "sums to 90"),
        ([{"percent": 100}], "latest revision or a named one"),
        ([{"latestRevision": True, "revisionName": "a", "percent": 100}], "latest revision or a named one"),
        (
            [{"latestRevision": True, "percent": 100, "tag": "a"}, {"revisionName": "b", "percent": 0, "tag": "a"}],
            "not all different",
        ),
    ],
)
def test_a_split_that_knative_refuses_is_refused(traffic, message):
    with pytest.raises(InputInvalid, match=message):
        service(traffic=traffic)


@pytest.mark.parametrize(
    ("requests", "limits", "message"),
    [
        (Quantities(cpu="2", memory="64Mi"), Quantities(cpu="1", memory="1Gi"), "cpu request 2 is above"),
        (Quantities(cpu="1", memory="2Gi"), Quantities(cpu="1", memory="1Gi"), "memory request 2Gi is above"),
        (Quantities(cpu="many", memory="2Gi"), Quantities(cpu="1", memory="1Gi"), "no quantity"),
        (Quantities(cpu="1", memory="128"), Quantities(cpu="1", memory="1Gi"), "less than 1 MiB"),
        (Quantities(cpu="0", memory="128Mi"), Quantities(cpu="1", memory="1Gi"), "no share of a processor"),
    ],
)
def test_quantities_that_a_cluster_refuses_are_refused(requests, limits, message):
    with pytest.raises(InputInvalid, match=message):
        service(container=Container(requests=requests, limits=limits))


def test_a_misspelt_annotation_of_the_operators_is_refused():
    with pytest.raises(InputInvalid, match=r"did you mean 'autoscaling.knative.dev/metric'"):
        service(settings=ClusterSettings(template_annotations={"autoscaling.knative.dev/metrik": "rps"}))
    given = ClusterSettings(template_annotations={"autoscaling.knative.dev/metric": "rps", "example.org/team": "a"})
    assert scaling(settings=given)["metric"] == "rps"
    assert scaling(settings=given)["example.org/team"] == "a"


def test_workers_accept_their_own_callers_and_events_of_flow_and_tenant():
    deployment = make_deployment()
    keys = opened(objects()["-keys"])
    assert keys["INTELLYHUB_WORKER_TOKENS"] == KEYS.token(Purpose.CALLER, deployment.journal_name)
    signing = keys["INTELLYHUB_DELIVERY_SECRETS"].split(",")
    assert signing == [KEYS.token(Purpose.DELIVERY, name) for name in (deployment.journal_name, deployment.tenant_id)]


def test_secrets_are_files_of_their_own_and_variables_one_file():
    made = objects(tenant=make_tenant(sealed_secrets=sealed(TOKEN="té")))
    assert opened(made["-secrets"]) == {"TOKEN": "té"}
    assert orjson.loads(opened(made["-variables"])["variables.json"]) == {"region": "eu", "limit": 3}
    assert "TOKEN" not in opened(made["-variables"])["variables.json"]


def test_a_secret_sealed_with_another_key_is_named():
    tenant = make_tenant(sealed_secrets=sealed(TOKEN="x"))
    with pytest.raises(InputInvalid, match="'TOKEN' was sealed with another key"):
        make_flow_objects(make_deployment(), tenant, Keys(b"o" * 32))


def test_more_than_a_cluster_takes_is_refused():
    with pytest.raises(InputInvalid, match="shorten"):
        objects(tenant=make_tenant(sealed_secrets=sealed(BIG="x" * MAX_SECRET_BYTES)))


def test_what_a_flow_needs_goes_with_its_service():
    for manifest in objects(owner=OWNER).values():
        [owner] = manifest["metadata"]["ownerReferences"]
        assert owner["uid"] == OWNER["metadata"]["uid"]
    assert not any("ownerReferences" in manifest["metadata"] for manifest in objects().values())


def test_every_variable_of_a_pod_is_one_that_the_worker_reads():
    """A misspelt variable is a setting that is silently not there."""
    read = {part.metadata["variable"] for part in fields(WorkerSettings)}
    listener = make_listener(make_deployment(), SETTINGS)[1]
    for pod in (template()["spec"], listener["spec"]["template"]["spec"]):
        assert {variable["name"] for variable in pod["containers"][0]["env"]} <= read
