"""What the activator answers over its own unix socket."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from intellyhub_knative.platform.activator.activator import Activator
from intellyhub_knative.platform.activator.parent import make_facts

__all__ = ["make_app"]

METRICS_TYPE = "text/plain; version=0.0.4"
PROBLEM_TYPE = "application/problem+json"


def make_app(activator: Activator) -> web.Application:
    """The routes of contract: workers, sockets, health, metrics."""

    async def list_workers(_: web.Request) -> web.Response:
        items = [{**item, "started_at": rfc3339(item["started_at"])} for item in activator.workers()]
        waiting = activator.staff.pool.counts()
        return web.json_response(
            {
                "items": items,
                "walls": make_facts(activator.walls),
                "spare": waiting["spare"] > 0,
                "waiting": waiting,
                "failing": activator.failing(),
            }
        )

    async def kill_worker(request: web.Request) -> web.Response:
        pid = request.match_info["pid"]
        worker = activator.staff.find(int(pid)) if pid.isdigit() else None
        if worker is None:
            return problem(404, "not-found", "There is no such worker")
        worker.kill()
        return web.Response(status=204)

    async def open_socket(request: web.Request) -> web.Response:
        flow_id, number = request.match_info["flow_id"], request.match_info["version"]
        if number.isdigit() and activator.ensure_open(flow_id, int(number)):
            return web.Response(status=204)
        return problem(404, "not-found", "This version is not deployed")

    async def show_metrics(_: web.Request) -> web.Response:
        states = [item["state"] for item in activator.workers()]
        waiting = activator.staff.pool.counts()
        page = activator.tallies.render(sockets=len(activator.doors), states=states, waiting=waiting)
        return web.Response(body=page.encode(), headers={"Content-Type": METRICS_TYPE})

    async def show_health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "sockets": len(activator.doors)})

    app = web.Application()
    app.router.add_get("/workers", list_workers)
    app.router.add_delete("/workers/{pid}", kill_worker)
    app.router.add_put("/sockets/{flow_id}/{version}", open_socket)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_health)
    return app


def problem(status: int, code: str, title: str) -> web.Response:
    """An RFC 9457 document."""
    document: dict[str, Any] = {"type": f"urn:intellyhub:problem:{code}", "title": title, "status": status}
    return web.json_response(document, status=status, content_type=PROBLEM_TYPE)


def rfc3339(seconds: float) -> str:
    """A moment as the APIs write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
