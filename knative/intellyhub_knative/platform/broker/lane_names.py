"""What stands in place of a flow's id in deliveries that go to a tenant's Knative Broker. Pure.

There is one such delivery per event. Stock Brokers answer when all who take the event are done with it, so that it
queues with those: behind the name of the one flow that it is for, or behind the tenant's own.
"""

from __future__ import annotations

import re

__all__ = ["flow_of", "is_lane", "lane_of"]

PREFIX = "broker:"
LANE = re.compile(PREFIX + "[0-9a-f]{32}")
"""No flow's id has a colon."""


def lane_of(record_id: str) -> str:
    """The lane of a flow, or of a tenant."""
    return PREFIX + record_id


def is_lane(name: str) -> bool:
    """Whether this is a lane's name and not a flow's id, or what a stranger wrote in an address."""
    return LANE.fullmatch(name) is not None


def flow_of(lane: str) -> str:
    """The id that a lane was made of."""
    return lane.removeprefix(PREFIX)
