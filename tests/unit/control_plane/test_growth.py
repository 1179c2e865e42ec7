"""What a page costs does not grow with what there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.unit.control_plane.engines import both_databases
from tests.unit.control_plane.flow_worker import FlowWorker
from tests.unit.control_plane.house import HELLO, HOOK
from tests.unit.control_plane.records import add_dead_letter, add_run, finished

PAGES = ("flows", "flows?q=hello", "runs", "sources", "dead-letters", "flows/hello/versions", "flows/hello/status")


@pytest.fixture
def ada(house):
    return house.person()


@pytest.fixture(autouse=True)
def sources(house):
    """Listen for nothing, and say so."""
    with FlowWorker(house, None, None, path=house.layout.socket("sources")) as sources:
        sources.answers += [(200, {"items": []})] * 100
        yield


@contextmanager
def listened(house) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent to the database meanwhile, each with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        sent.append((statement, parameters))

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)


def add_flows(house, ada, number):
    for _ in range(number):
        flow = house.flow(ada, HOOK)
        add_run(house, ada, flow["id"], finished(), text=HOOK)
        add_dead_letter(house, ada, flow["id"])
        house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": HELLO})
        house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": HOOK})


def ask_all(house, ada):
    """The number of statements of each page, asked as if for the first time."""
    counts = {}
    for page in PAGES:
        house.platform.members.forget()
        house.platform.secrets.forget()
        with listened(house) as sent:
            assert house.call(ada, "GET", f"/api/{page}").status_code == 200
        counts[page] = len(sent)
    return counts


@both_databases
def test_a_page_asks_as_much_of_the_database_for_many_flows_as_for_one(house, ada):
    add_flows(house, ada, 1)
    few = ask_all(house, ada)
    add_flows(house, ada, 20)
    assert ask_all(house, ada) == few
    assert len(house.call(ada, "GET", "/api/flows").json["items"]) == 21
    assert all(run["version"] == 1 for run in house.call(ada, "GET", "/api/runs").json["items"])


@both_databases
def test_the_twentieth_flow_of_a_name_asks_no_more_than_the_second(house, ada):
    house.flow(ada)
    counts = []
    for _ in range(20):
        with listened(house) as sent:
            house.flow(ada)
        counts.append(len(sent))
    assert len(set(counts)) == 1


@pytest.mark.parametrize("page", ["flows", "runs", "sources"])
def test_a_page_does_not_read_every_version_of_a_tenant(house, ada, page):
    add_flows(house, ada, 10)
    with listened(house) as sent:
        assert len(house.call(ada, "GET", f"/api/{page}").json["items"]) == 10
    with house.database.engine.connect() as connection:
        plans = [
            row[3]
            for statement, parameters in sent
            if "flow_versions" in statement
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert [plan for plan in plans if "flow_versions" in plan]
    assert [plan for plan in plans if "ix_flow_versions_tenant_id" in plan or "SCAN flow_versions" in plan] == []


def test_a_flow_is_listed_without_its_text(house, ada):
    house.flow(ada)
    with listened(house) as sent:
        house.call(ada, "GET", "/api/flows")
    assert [statement for statement, _ in sent if "flow_versions.text" in statement] == []
    assert [statement for statement, _ in sent if "flow_versions.listener" in statement]
