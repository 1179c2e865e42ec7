"""The flow texts of a journal's runs, by digest: what resume, replay and fork need long after a file was edited.

They stand in a folder beside the journal, `<journal>-flows/<digest>.yaml`, with a small JSON file that tells where the
text came from, so that a `call` finds its neighbours again.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from intellyhub_engine.errors import InputInvalid

__all__ = ["Archive", "Kept"]

DIGEST = re.compile(r"[0-9a-f]{64}")


class Kept(NamedTuple):
    """A flow text, its name and the file it was read from."""

    text: bytes
    name: str
    path: str


class Archive:
    """Flow texts of one journal. Without a folder it keeps them only as long as the process lives."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.kept: dict[str, Kept] = {}

    def keep(self, digest: str, flow: Kept) -> None:
        """Remember a text; the file it came from is the latest that had this text. Raises OSError."""
        self.kept[digest] = flow
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / f"{digest}.yaml").exists():
            replace(self.folder / f"{digest}.yaml", flow.text)
        origin = json.dumps({"name": flow.name, "path": flow.path}).encode()
        place = self.folder / f"{digest}.json"
        if not place.exists() or place.read_bytes() != origin:
            replace(place, origin)

    def find(self, digest: str) -> Kept:
        """The text with this digest. Raises InputInvalid when it was never kept here."""
        if digest in self.kept:
            return self.kept[digest]
        missing = InputInvalid(
            f"the text of the flow's version {digest[:12]} is not kept beside this journal; name its file with --flow"
        )
        if self.folder is None or not DIGEST.fullmatch(digest):
            raise missing
        try:
            text = (self.folder / f"{digest}.yaml").read_bytes()
        except FileNotFoundError:
            raise missing from None
        name, path = self.origin(digest)
        return Kept(text, name, path)

    def origin(self, digest: str) -> tuple[str, str]:
        """Name and file of a kept text; a lost note costs only the neighbours of a `call`."""
        assert self.folder is not None
        try:
            note = json.loads((self.folder / f"{digest}.json").read_bytes())
            return str(note["name"]), str(note["path"])
        except (OSError, ValueError, KeyError, TypeError):
            return "flow", ""


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, so that a crash never leaves half of one."""
    import tempfile

    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".flow-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
