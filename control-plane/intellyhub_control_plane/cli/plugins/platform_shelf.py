"""Plugins of a tenant of a running platform, through its API."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from intellyhub_control_plane.cli.client import Client, part
from intellyhub_control_plane.cli.plugins.shelf import Found
from intellyhub_control_plane.plugins.candidates import Candidate
from intellyhub_control_plane.plugins.describing import describe_candidate
from intellyhub_control_plane.plugins.fetching import Fetcher
from intellyhub_control_plane.plugins.files import pack
from intellyhub_control_plane.plugins.origins import Kind, read_origin
from intellyhub_control_plane.plugins.repositories import Repository
from intellyhub_control_plane.plugins.store import Choices
from intellyhub_engine.cli.exits import CommandFailed, Exit

__all__ = ["PlatformShelf"]

AT_ONCE = {"Prefer": "respond-async"}
LOOK_SECONDS = 0.3
SILENCE_SECONDS = 120.0
"""So long a platform may be out of reach while it installs: it restarts, a line is mended."""
INTERRUPTED = "the platform was stopped while it installed; nothing has changed: try again"


class PlatformShelf:
    """Sends folders of this machine; everything else the platform fetches itself."""

    def __init__(self, client: Client, tell: Callable[[str], None]) -> None:
        self._client = client.patient()
        self._tell = tell

    @property
    def place(self) -> str:
        return f"at {self._client.url}"

    def add_repositories(self, repositories: Sequence[Repository]) -> None:
        for each in repositories:
            self._client.send("POST", "/api/plugins/repository/sync", {"url": each.address, "key": each.key})

    def look(self, source: str, *, all_of_them: bool) -> list[Found]:
        if read_origin(source).kind is Kind.FOLDER:
            found = Fetcher(is_local=True).fetch(read_origin(source))
            return [Found(describe_candidate(candidate, None), candidate) for candidate in found]
        answer = self._client.send("POST", "/api/plugins/inspect", {"source": source, "all": all_of_them})
        return [Found(facts, facts["source"], facts["key"]) for facts in answer["items"]]

    def install(self, found: Found, choices: Choices) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "name": found.facts["name"],
            "digest": choices.digest or found.facts["digest"],
            "key": choices.key,
            "builds": choices.builds,
            "without": list(choices.without),
            "constraints": list(choices.constraints),
            "lock": list(choices.lock),
        }
        if isinstance(found.handle, Candidate):
            wanted["archive"] = base64.b64encode(pack(found.handle.files)).decode()
            wanted["folder"] = found.handle.single or Path(found.handle.origin.address).name
        else:
            wanted["source"] = found.handle
        return self._follow(self._client.send("POST", "/api/plugins", wanted, headers=AT_ONCE))

    def installed(self) -> list[dict[str, Any]]:
        return self._client.pages("/api/plugins", installed="true")

    def update(self, name: str) -> dict[str, Any]:
        return self._follow(self._client.send("POST", f"/api/plugins/{part(name)}/update", headers=AT_ONCE))

    def uninstall(self, name: str) -> None:
        self._client.send("DELETE", f"/api/plugins/{part(name)}")

    def search(self, text: str) -> list[dict[str, Any]]:
        found = self._client.pages("/api/plugins", q=text)
        if any(not each["installed"] for each in found) or not self._look_again():
            return found
        return self._client.pages("/api/plugins", q=text)

    def _look_again(self) -> bool:
        """Let the platform look at its repositories; whether it did: not where none is known, or one may not."""
        try:
            self._client.send("POST", "/api/plugins/repository/sync", {})
        except CommandFailed as fault:
            if fault.code not in (Exit.INVALID, Exit.NOT_ALLOWED):
                raise
            return False
        return True

    def _follow(self, begun: dict[str, Any]) -> dict[str, Any]:
        """Wait until what was begun is over, telling its steps; the plugin. The line may break meanwhile. Raises
        `CommandFailed`."""
        path = f"/api/plugins/installations/{part(begun['id'])}"
        shown, heard = 0, time.monotonic()
        while True:
            for step in begun["steps"][shown:]:
                self._tell(step["text"])
            shown = len(begun["steps"])
            if begun["state"] != "running":
                break
            time.sleep(LOOK_SECONDS)
            try:
                begun, heard = self._client.get(path), time.monotonic()
            except CommandFailed as fault:
                if fault.code != Exit.BUSY or time.monotonic() - heard > SILENCE_SECONDS:
                    raise
        if begun["state"] != "done":
            raise CommandFailed(begun["fault"] or INTERRUPTED, Exit.FAILED if begun["fault"] is None else Exit.INVALID)
        installed: dict[str, Any] = self._client.get(f"/api/plugins/{part(begun['plugin'])}")
        return installed

    def frozen(self) -> list[dict[str, Any]]:
        names = [plugin["name"] for plugin in self.installed()]
        return [self._client.get(f"/api/plugins/{part(name)}")["frozen"] for name in names]
