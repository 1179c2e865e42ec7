"""What workers are told."""

import os
from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls.enclosure import Cell
from intellyhub_knative.platform.activator import channel
from intellyhub_knative.platform.activator.assigning import make_assignment, make_private, user_of
from intellyhub_knative.platform.activator.assignment import Assignment, pack_private, unpack_private
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.keys import Keys, Purpose
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.seal import seal
from tests.unit.knative.platform.house_double import KEYS, data_folder, make_flow, make_tenant


@pytest.fixture
def layout():
    with data_folder() as made:
        yield made


def assign(layout: Layout, **fields) -> Assignment:
    flow = make_flow(layout, **fields)
    return make_assignment(flow, flow.current, owner="worker-1", layout=layout, journal=layout.socket("journal"))


def test_an_assignment_arrives_as_it_was_sent(layout):
    assignment = assign(layout, concurrency=3, idle_seconds=5.0)
    ours, childs = channel.make_pair()
    with ours, childs:
        channel.send(ours, assignment.to_message())
        received = channel.receive(childs)
    assert received is not None
    assert Assignment(**received[0]) == assignment
    assert assignment.places == 3


def test_a_cell_reaches_its_own_tenant_alone(layout):
    assignment = assign(layout)
    cell = assignment.make_cell()
    assert isinstance(cell, Cell)
    assert cell.workspace == layout.workspace_of(assignment.tenant_id)
    own = {layout.flows_of(assignment.tenant_id), layout.programs_of(assignment.tenant_id)}
    assert set(cell.readable) == own | {layout.socket("journal")}


def test_nothing_secret_is_told_openly_or_shown(layout):
    tenant = make_tenant(layout, sealed_secrets={"API_KEY": seal("s3cret", KEYS)}, variables={"REGION": "north"})
    flow = make_flow(layout)
    private = unpack_private(pack_private(make_private(flow, tenant, KEYS)))
    assert private.secrets == {"API_KEY": "s3cret"}
    assert private.variables == {"REGION": "north"}
    assert private.token == KEYS.token(Purpose.CALLER, flow.journal_name)
    assert private.journal_token == flow_token(KEYS, flow.journal_name)
    openly = str(assign(layout).to_message()) + repr(private)
    for secret in ("s3cret", private.token, private.delivery_key, private.journal_token):
        assert secret not in openly


def test_what_was_confided_leaves_nothing_behind():
    descriptor = pack_private(
        b'{"token":"t","delivery_key":"d","journal_token":"j","variables":{},"secrets":{"a":"b"}}'
    )
    other = os.dup(descriptor)
    assert unpack_private(descriptor).token == "t"
    assert os.fstat(other).st_size == 0
    os.close(other)


def test_a_secret_of_another_platform_is_named(layout):
    tenant = make_tenant(layout, sealed_secrets={"API_KEY": seal("s3cret", Keys(b"x" * 32))})
    with pytest.raises(InputInvalid, match="API_KEY"):
        make_private(make_flow(layout), tenant, KEYS)


def test_tenants_are_told_apart_by_numbers_that_a_kernel_takes():
    assert user_of("00000001" + "0" * 24) != user_of("00000002" + "0" * 24)
    assert user_of("f" * 32) < 200_000_000


def test_a_message_that_is_too_large_is_refused_and_not_cut():
    ours, childs = channel.make_pair()
    with ours, childs, pytest.raises(ValueError, match="large"):
        channel.send(ours, "x" * 100_000)


def test_the_end_of_the_other_side_is_no_message(tmp_path: Path):
    ours, childs = channel.make_pair()
    childs.close()
    with ours:
        assert channel.receive(ours) is None
