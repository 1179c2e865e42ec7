"""A person, who has a browser and a terminal: the REST API, hooks and `/events`, and nothing else."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Said", "User"]


class Said(NamedTuple):
    """An answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class User:
    """Of one organisation."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.token = ""
        answer = self.ask(
            "POST",
            "/api/auth/register",
            {
                "email": f"{name}@example.org",
                "password": "a password for tests",
                "name": name,
                "organisation": name,
            },
        )
        assert answer.status == 201, answer
        self.token = answer.json["access_token"]
        [membership] = answer.json["user"]["tenants"]
        self.tenant, self.slug = membership["id"], membership["slug"]

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 60,
        url: str = "",
    ) -> Said:
        """Status 0: nobody answered."""
        body = document if isinstance(document, bytes) else None if document is None else json.dumps(document).encode()
        sent = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        request = urllib.request.Request((url or self.url) + path, body, {**sent, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return Said(response.status, response.read())
        except urllib.error.HTTPError as fault:
            return Said(fault.code, fault.read())
        except (urllib.error.URLError, OSError, http.client.HTTPException) as fault:
            return Said(0, str(fault).encode())

    def namespace(self, cluster: Any) -> str:
        """Of its tenant."""
        return next(str(name) for name in cluster.names("namespaces") if name.startswith(f"ih-{self.slug}-"))

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def publish(self, name: str, text: str) -> Any:
        """A new flow, or a new version of one."""
        is_new = self.ask("GET", f"/api/flows/{name}").status == 404
        how = ("POST", "/api/flows") if is_new else ("PUT", f"/api/flows/{name}")
        answer = self.ask(*how, {"name": name, "yaml_content": text})
        assert answer.status in (200, 201), answer
        return answer.json

    def flow(self, name: str) -> Any:
        return self.get(f"/api/flows/{name}")

    def until_ready(self, name: str, version: int = 1, seconds: float = 60) -> list[str]:
        """The states that were seen on the way, in order."""
        seen: list[str] = []
        deadline = time.monotonic() + seconds
        while True:
            flow = self.flow(name)
            state = (flow["deployment"] or {}).get("state", "none")
            if state not in seen[-1:]:
                seen.append(state)
            if state == "ready" and flow["version"] == version:
                return seen
            assert time.monotonic() < deadline, (seen, flow["deployment"])
            time.sleep(0.05)

    def hook(self, name: str, document: Any, seconds: float = 60) -> Said:
        return self.ask("POST", f"/hooks/{self.slug}/{name}", document, {"Authorization": ""}, seconds=seconds)

    def emit(self, event_id: str, data: Any, *, kind: str = "order.paid", **attributes: str) -> Said:
        """Post an event, as whoever has this person's session may."""
        headers = {"Ce-Specversion": "1.0", "Ce-Id": event_id, "Ce-Source": "/shop", "Ce-Type": kind}
        headers |= {f"Ce-{name.capitalize()}": value for name, value in attributes.items()}
        return self.ask("POST", f"/events/{self.slug}", data, headers)

    def runs(self, name: str) -> Any:
        return self.get(f"/api/runs?flow={name}&limit=100")["items"]

    def source(self, name: str) -> Any:
        """How a flow's source says that it stands."""
        [found] = [each for each in self.get("/api/sources")["items"] if each["flow"]["slug"] == name]
        return found["health"]

    def until_ended(self, run: str, status: str = "succeeded", seconds: float = 60) -> Any:
        """Wait for a run's end."""
        deadline = time.monotonic() + seconds
        while (found := self.get(f"/api/runs/{run}"))["status"] in ("running", "waiting"):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        assert found["status"] == status, found
        return found

    def until_runs(self, name: str, count: int, status: str = "succeeded", seconds: float = 60) -> Any:
        """Wait for that many runs, all of which stand so."""
        deadline = time.monotonic() + seconds
        while True:
            runs = self.runs(name)
            if len(runs) >= count and all(run["status"] == status for run in runs):
                assert len(runs) == count, name
                return runs
            assert time.monotonic() < deadline, (name, Counter(run["status"] for run in runs))
            time.sleep(0.05)
