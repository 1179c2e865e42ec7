"""One platform for the whole suite: started here, or the cluster's. All flows are published before the first test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.cluster import Cluster
from tests.contract.figures import Figure, Outcome, make_report
from tests.contract.flows import FLOWS, RETRIED, SECRET, VARIABLE
from tests.contract.hub import Hub, log_in
from tests.contract.place import Place, read_place
from tests.integration.test_up import CACHE, PASSWORD, Platform

HERE = Path(__file__).parent
LOCAL = {
    "INTELLYHUB_MAX_PODS": "40",
    "INTELLYHUB_IDLE_SECONDS": "3",
    "INTELLYHUB_EVENTS_PER_SECOND": "2000",
}
"""What is tried here is not how long a worker stays awake."""
CLUSTER_TIMEOUT_SECONDS = 900
PLACE = pytest.StashKey[Place]()
TOLD = pytest.StashKey[dict[str, Outcome]]()
MEASURED: pytest.StashKey[list[Figure]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: only a cluster can be asked this")
    config.addinivalue_line("markers", "local: only a platform on one machine can be asked this")
    config.addinivalue_line("markers", "inbound: flows have to reach a server on the machine of the tests")
    config.stash[PLACE] = read_place(os.environ)
    config.stash[TOLD], config.stash[MEASURED] = {}, []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All in one group, as they share a platform; what cannot be tried at this place says why."""
    place = config.stash[PLACE]
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group("contract"))
        item.add_marker(pytest.mark.timeout(CLUSTER_TIMEOUT_SECONDS if place.is_cluster else 120))
        if item.get_closest_marker("cluster") and not place.is_cluster:
            item.add_marker(pytest.mark.skip(reason="no cluster: KUBECONFIG and INTELLYHUB_TEST_CLUSTER=1 name one"))
        if item.get_closest_marker("local") and place.is_cluster:
            item.add_marker(pytest.mark.skip(reason="on one machine only"))
        if item.get_closest_marker("inbound") and not place.host:
            item.add_marker(pytest.mark.skip(reason="INTELLYHUB_CONTRACT_HOST names no address of this machine"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember what the report says."""
    report: pytest.TestReport = yield
    if HERE in item.path.parents and (report.when == "call" or report.outcome != "passed"):
        crash = getattr(report.longrepr, "reprcrash", None)
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(getattr(crash, "message", ""))
        item.config.stash[TOLD][item.nodeid] = Outcome(
            name=item.name,
            outcome=report.outcome,
            seconds=report.duration,
            why=why if report.outcome != "passed" else "",
        )
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """On a cluster, or where a file is named: the report."""
    place, told, measured = config.stash[PLACE], config.stash[TOLD], config.stash[MEASURED]
    if not told or not (place.is_cluster or place.report):
        return
    report = make_report(place.url or "one machine", list(told.values()), measured)
    terminalreporter.write_line("\n" + report)
    if place.report:
        place.report.write_text(report)


@pytest.fixture(scope="session")
def place(pytestconfig: pytest.Config) -> Iterator[Place]:
    """Where the platform is; started here unless the environment names a cluster."""
    found = pytestconfig.stash[PLACE]
    if found.is_cluster:
        yield found
        return
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE))
    platform = Platform(folder)
    platform.environment |= LOCAL
    try:
        platform.start()
        token = log_in(platform.url, "ada@example.org", PASSWORD)
        yield Place(url=platform.url, token=token, host=found.host, seconds=found.seconds)
    finally:
        platform.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(place: Place) -> Cluster:
    """The cluster itself."""
    return Cluster()


@pytest.fixture(scope="session")
def measure(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """`measure(name, value)`: a figure for the report."""
    return lambda name, value: pytestconfig.stash[MEASURED].append(Figure(name=name, value=value))


@pytest.fixture(scope="session")
def hub(place: Place) -> Iterator[Hub]:
    """The platform, asked as its administrator, with every flow published."""
    token = place.token or log_in(place.url, *Cluster().administrator())
    made = Hub(place.url, token, seconds=place.seconds, is_cluster=place.is_cluster)
    clean(made)
    made.api("POST", "/api/variables", {"key": VARIABLE, "value": "first"})
    made.api("POST", "/api/secrets", {"name": SECRET, "value": "hunter22-hunter22"})
    made.publish_all(FLOWS)
    made.await_ready(RETRIED)
    assert made.send("contract.refused", id="refused").status == 202
    yield made
    clean(made)


@pytest.fixture(scope="session")
def other(place: Place, hub: Hub) -> Hub:
    """The same platform, asked as the owner of another organisation."""
    token = place.other_token or register(hub)
    return Hub(place.url, token, seconds=place.seconds, is_cluster=place.is_cluster)


def register(hub: Hub) -> str:
    """A new organisation's owner."""
    name = f"contract-{uuid4().hex[:8]}"
    account = {"email": f"{name}@example.org", "password": uuid4().hex, "name": "Ben", "organisation": name}
    answer = hub.ask("POST", "/api/auth/register", account, token="")
    if answer.status == 403:
        pytest.skip("registration is closed: give INTELLYHUB_CONTRACT_OTHER_TOKEN, an owner's of another organisation")
    assert answer.status == 201, answer.body
    return str(answer.json["access_token"])


def clean(hub: Hub) -> None:
    """Nothing of the suite is left, also of one that was broken off."""
    for flow in hub.api("GET", "/api/flows?limit=200&q=contract-")["items"]:
        hub.delete(flow["slug"])
    for path in (f"/api/variables/{VARIABLE}", f"/api/secrets/{SECRET}"):
        hub.ask("DELETE", path)
    for letter in hub.api("GET", "/api/dead-letters?limit=200")["items"]:
        if str(letter["event"].get("type", "")).startswith("contract."):
            hub.ask("DELETE", f"/api/dead-letters/{letter['id']}")
