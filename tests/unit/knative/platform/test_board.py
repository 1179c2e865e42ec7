"""What a process shows of itself, and to whom."""

import asyncio
import socket

import aiohttp
import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.board import METRICS_TYPE, json_page, serve
from intellyhub_knative.platform.service import journal_address, open_board
from tests.unit.knative.platform.house_double import data_folder


def test_a_cluster_sees_health_and_metrics_and_nothing_of_tenants():
    async def metrics():
        return b"x 1\n", METRICS_TYPE

    async def state():
        return {"tenant": "acme"}

    async def scene():
        inside, outside = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        pages = {"/metrics": metrics, "/state": json_page(state)}
        async with serve(inside, pages, outside), aiohttp.ClientSession() as session:
            found = []
            for port in (inside.getsockname()[1], outside.getsockname()[1]):
                for path in ("/healthz", "/metrics", "/state"):
                    async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                        found.append(answer.status)
            return found

    assert asyncio.run(scene()) == [200, 200, 200, 200, 200, 404]


def test_a_board_is_an_address_or_none():
    assert open_board("") is None
    opened = open_board("127.0.0.1:0")
    with opened, pytest.raises(InputInvalid, match="cannot listen on"):  # type: ignore[union-attr]
        open_board(f"127.0.0.1:{opened.getsockname()[1]}")  # type: ignore[union-attr]
    for written in ("9090", ":9090", "0.0.0.0:x", "0.0.0.0:99999"):
        with pytest.raises(InputInvalid, match="INTELLYHUB_BOARD"):
            open_board(written)


def test_a_workers_file_is_no_address_of_the_service():
    with data_folder() as layout:
        own = str(layout.socket("journal"))
        assert journal_address({}, layout) == journal_address({"INTELLYHUB_JOURNAL": "/tmp/j.db"}, layout) == own
        assert journal_address({"INTELLYHUB_JOURNAL": "http://j:80"}, layout) == "http://j:80"
