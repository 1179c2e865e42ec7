"""The gateway as a process: `python -m intellyhub_knative.platform.gateway`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys

import uvloop

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform import board
from intellyhub_knative.platform.flows import open_flows
from intellyhub_knative.platform.gateway.app import Gateway
from intellyhub_knative.platform.gateway.carriage import Carriage
from intellyhub_knative.platform.gateway.concealment import Concealment
from intellyhub_knative.platform.gateway.dead_letters import DeadLetters
from intellyhub_knative.platform.gateway.exchange import Exchange
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.gateway.hooks import Hooks
from intellyhub_knative.platform.gateway.ingress import Ingress
from intellyhub_knative.platform.gateway.proxy import Proxy
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.settings import Settings, read_settings
from intellyhub_knative.platform.gateway.streams import Streams
from intellyhub_knative.platform.journal.client import AsyncJournalClient
from intellyhub_knative.platform.keys import Purpose
from intellyhub_knative.platform.knative import Knative, read_knative
from intellyhub_knative.platform.pod_tokens import make_pod_tokens
from intellyhub_knative.platform.service import Surroundings, enter

LOG = logging.getLogger(__name__)
SOCKET = "http"


async def run(surroundings: Surroundings, settings: Settings, knative: Knative | None) -> None:
    """Serve until SIGTERM."""
    stopping, room = asyncio.Event(), Room(settings.max_held_bytes, max_requests=settings.max_tenant_requests)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    layout, keys = surroundings.layout, surroundings.keys
    journal = AsyncJournalClient(surroundings.journal, keys.token(Purpose.JOURNAL))
    flows = open_flows(layout, knative)
    present = Present(layout)
    secrets_of = Concealment(present, keys).secrets_of
    streams = Streams(journal=journal, find_flow=present.journal_name, secrets_of=secrets_of)
    proxy = Proxy(control=settings.control or layout.socket("control"), streams=streams, settings=settings, room=room)
    hooks = Hooks(
        present=present,
        keys=keys,
        catalogue=installed(),
        carriage=Carriage(
            journal=journal,
            exchange=Exchange(flows, keys),
            follow=streams.follow,
            secrets_of=secrets_of,
            settings=settings,
        ),
        settings=settings,
        room=room,
    )
    gateway = Gateway(
        hooks=hooks,
        ingress=Ingress(
            present=present,
            journal=journal,
            settings=settings,
            session_key=keys.derive(Purpose.SESSIONS),
            room=room,
            pods=None if knative is None else make_pod_tokens(os.environ),
        ),
        dead_letters=None
        if knative is None
        else DeadLetters(present=present, journal=journal, keys=keys, settings=settings, room=room),
        proxy=proxy,
        streams=streams,
        room=room,
        settings=settings,
    )
    listening = surroundings.sockets.get(SOCKET) or bind(settings)
    pages = {"/metrics": gateway.metrics, "/sources": board.json_page(hooks.show)}
    async with board.serve(surroundings.listen("gateway"), pages, surroundings.board):
        watching = asyncio.create_task(present.watch())
        await gateway.serve(listening, stopping, surroundings.announce_ready)
        watching.cancel()
    await proxy.close()
    await flows.close()
    await journal.close()


def bind(settings: Settings) -> socket.socket:
    """A socket of one's own, where none was handed down. Raises `InputInvalid`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as fault:
        raise InputInvalid(f"cannot listen on {settings.host}:{settings.port}: {fault.strerror}") from fault


def main() -> int:
    """0 after SIGTERM, 2 where it cannot start."""
    try:
        surroundings = enter(os.environ)
        uvloop.run(run(surroundings, read_settings(os.environ), read_knative(os.environ)))
    except InputInvalid as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - the message is all there is to say
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
