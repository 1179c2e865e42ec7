"""Which revision gets which part, for all that can be."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from intellyhub_knative.cluster.readiness import Revision, State, read_readiness, read_revisions
from intellyhub_knative.cluster.traffic import missing_versions, plan_traffic
from intellyhub_knative.manifests.flow import check_traffic
from intellyhub_knative.platform.deployments import Rollout
from tests.unit.knative.cluster.deployer import make_flow
from tests.unit.knative.cluster.knative import condition


def revision(version, generation, ready=True):
    name = f"flow-{generation:05}"
    return Revision(name=name, version=version, generation=generation, ready=ready, trouble=None)


@st.composite
def situations(draw):
    numbers = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True))
    flow = make_flow(numbers=tuple(numbers))
    if len(numbers) > 1 and draw(st.booleans()):
        flow = replace(flow, rollout=Rollout(stable=draw(st.sampled_from(numbers[1:])), percent=10))
    made = draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([True, False, None])), max_size=8))
    revisions = [revision(version, place + 1, ready) for place, (version, ready) in enumerate(made)][::-1]
    names = [each.name for each in revisions] or ["gone"]
    routed = draw(st.dictionaries(st.sampled_from(names), st.integers(1, 100), max_size=2))
    return flow, revisions, draw(st.integers(0, 100)), routed


@given(situations())
def test_whatever_happens_it_is_a_split_that_knative_takes(situation):
    flow, revisions, percent, routed = situation
    traffic = plan_traffic(flow, revisions, percent=percent, routed=routed)
    check_traffic(traffic)
    named = {target.get("revisionName") for target in traffic} - {None}
    assert named <= {each.name for each in revisions}
    by_version = {each.name: each.version for each in revisions}
    for target in traffic:
        if target.get("revisionName") and target.get("tag"):
            assert target["tag"] == f"v{by_version[target['revisionName']]}"


@given(situations())
def test_every_older_version_that_has_a_revision_is_reachable_by_its_tag(situation):
    flow, revisions, percent, routed = situation
    tags = {target.get("tag") for target in plan_traffic(flow, revisions, percent=percent, routed=routed)}
    there = {each.version for each in revisions}
    assert {f"v{each.number}" for each in flow.versions[1:] if each.number in there} <= tags
    assert set(missing_versions(flow, revisions)) == {each.number for each in flow.versions[1:]} - there


def service(*conditions, generation=2, observed=2, **status):
    about = {"name": "flow", "generation": generation}
    return {"metadata": about, "status": {"observedGeneration": observed, "conditions": list(conditions), **status}}


def test_ready_counts_only_for_the_generation_that_was_seen():
    ready = condition("Ready", True)
    assert read_readiness(service(ready), []).state is State.READY
    assert read_readiness(service(ready, observed=1), []).state is State.DEPLOYING
    assert read_readiness({"metadata": {"name": "flow", "generation": 1}}, []).state is State.DEPLOYING


def test_whether_requests_are_served_is_asked_of_the_routes():
    pinned = service(condition("Ready", None), condition("RoutesReady", True), condition("ConfigurationsReady", None))
    assert (read_readiness(pinned, []).state, read_readiness(pinned, []).serves) == (State.DEPLOYING, True)


def test_the_revision_says_what_the_service_does_not():
    failed = {
        "metadata": {"name": "flow-00001", "generation": 1, "labels": {"intellyhub.dev/version": "3"}},
        "status": {"conditions": [condition("Ready", False, "ExitCode137", "Container failed with:")]},
    }
    poor = condition("Ready", False, "RevisionMissing", 'Configuration "x" does not have any ready Revision.')
    found = read_readiness(service(poor, latestCreatedRevisionName="flow-00001"), read_revisions([failed]))
    assert found.trouble is not None
    assert (found.state, found.trouble.reason) == (State.FAILED, "OutOfMemory")


def test_a_service_whose_revision_is_read_at_another_moment_says_nothing_yet():
    said = (condition("ConfigurationsReady", False, "RevisionFailed", 'Revision "flow-00001" failed: exceeded quota'),)
    blaming = service(*said, condition("Ready", False), latestCreatedRevisionName="flow-00001")
    works = Revision(name="flow-00001", version=3, generation=1, ready=True, trouble=None)
    assert read_readiness(blaming, []).state is State.DEPLOYING
    assert read_readiness(blaming, [works]).state is State.DEPLOYING


def test_a_service_whose_route_fails_says_so():
    route = condition("RoutesReady", False, "NotOwned", "There is an existing Route that we do not own")
    found = read_readiness(service(route, condition("Ready", False)), [])
    assert found.trouble is not None
    assert (found.state, found.trouble.message) == (State.FAILED, "There is an existing Route that we do not own")
