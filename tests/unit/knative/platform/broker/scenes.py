"""A broker over a journal in memory, for the tests of this folder."""

import asyncio
import contextlib

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_knative.platform.broker.broker import Broker
from intellyhub_knative.platform.flows import open_flows
from tests.unit.knative.platform.flow_double import FlowDouble
from tests.unit.knative.platform.house_double import KEYS


@contextlib.asynccontextmanager
async def running(layout, journal, knative=None):
    flows = open_flows(layout, knative)
    broker = Broker(layout=layout, keys=KEYS, journal=journal, flows=flows, knative=knative)
    task = asyncio.create_task(broker.run())
    try:
        yield broker
        assert not task.done(), task.exception()
    finally:
        await broker.end()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await flows.close()


def door(layout, flow, number=1, **kwargs):
    return FlowDouble(layout.flow_socket(flow.flow_id, number), **kwargs)


def make_event(number=1, **fields):
    return Event(**({"id": str(number), "source": "/shop", "type": "order.created", "data": {"n": number}} | fields))


def make_run(flow, run_id="r1", version="d1", wake_ns=None, status=RunStatus.WAITING):
    return RunSummary(
        run_id=run_id,
        flow=flow.journal_name,
        version=version,
        status=status,
        started_ns=1,
        finished_ns=None,
        end_state=None,
        error=None,
        steps=1,
        wake_ns=wake_ns,
        parent_id=None,
        copied_from=None,
    )
