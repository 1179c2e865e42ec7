"""Subscribers that a Broker's channel keeps though their Trigger is gone, found and taken away.

With Knative's in-memory channel, Triggers that are deleted at the same time may stay in the channel's list
(knative/eventing #6636). Each of them costs every event of that Broker the whole time of its retries. Deleting the
channel repairs it: it is made again within seconds, with those subscribers that live.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.kinds import CHANNEL, TRIGGER

__all__ = ["find_orphans", "remove_orphans"]

SUBSCRIBER = re.compile(r"/triggers/(?P<namespace>[^/]+)/(?P<name>[^/]+)/(?P<uid>[^/?]+)")
OF_A_BROKER = re.compile(r".+-kne-trigger")


def find_orphans(channel: Mapping[str, Any], triggers: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The subscribers of a Broker's channel that belong to no living Trigger, by the Triggers' uid. Pure."""
    living = {str(trigger["metadata"]["uid"]) for trigger in triggers}
    listed = (channel.get("spec") or {}).get("subscribers") or ()
    found = (SUBSCRIBER.search(str(each.get("subscriberUri") or "")) for each in listed)
    return frozenset(match["uid"] for match in found if match is not None) - living


async def remove_orphans(
    client: ClusterClient, namespace: str, suspected: frozenset[str]
) -> tuple[frozenset[str], list[str]]:
    """Look at the channels of a namespace: the orphans that are there now, and the channels that were deleted because
    they still held some of those that were `suspected` the last time. A channel needs a moment to take a subscriber
    off its list, so one look is not enough."""
    found: set[str] = set()
    deleted = []
    channels = (await client.list(CHANNEL, namespace)).items
    triggers = (await client.list(TRIGGER, namespace)).items if channels else []
    for channel in channels:
        about = channel["metadata"]
        orphans = find_orphans(channel, triggers) if OF_A_BROKER.fullmatch(about["name"]) else frozenset()
        if orphans & suspected:
            await client.delete(CHANNEL, about["name"], namespace, uid=about["uid"])
            deleted.append(str(about["name"]))
        else:
            found |= orphans
    return frozenset(found), deleted
