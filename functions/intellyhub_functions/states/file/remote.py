"""The `file` state's actions where the file, or its destination, is an object in S3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import is_object, place, shown
from intellyhub_functions.files.storage import read_up_to, write_whole
from intellyhub_functions.states.file.content import from_bytes
from intellyhub_functions.states.file.file import MAX_COPIED, content_of, translate
from intellyhub_functions.states.file.objects import Objects, Place, place_of

__all__ = ["perform_remotely"]


def perform_remotely(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do the action; gives what the action on a file of the workspace gives, with `s3://` addresses."""
    action, objects = parameters["action"], Objects(parameters, step)
    if action in ("copy", "move"):
        return Transfer(objects, parameters, step).perform(moves=action == "move")
    return ACTIONS[action](objects, place_of(parameters["path"]), parameters)


def read(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> Any:
    stored = objects.read(source, parameters.get("max_bytes", 16 * 1024 * 1024))
    return from_bytes(stored, parameters.get("format", "text"), parameters.get("encoding", "utf-8"), str(source))


def write(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> str:
    objects.write(source, content_of(parameters))
    return str(source)


def append(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> str:
    objects.append(source, content_of(parameters))
    return str(source)


def delete(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> str:
    objects.delete(source)
    return str(source)


def exists(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> bool:
    return objects.exists(source)


def list_objects(objects: Objects, source: Place, parameters: Mapping[str, Any]) -> list[str]:
    return objects.list(source)


ACTIONS: Mapping[str, Callable[[Objects, Place, Mapping[str, Any]], Any]] = {
    "read": read,
    "write": write,
    "append": append,
    "delete": delete,
    "exists": exists,
    "list": list_objects,
}


class Transfer:
    """One copy or move between the workspace and S3, or within S3. Both may be repeated after a crash: what was moved
    already is known by its place being empty and its destination not."""

    def __init__(self, objects: Objects, parameters: Mapping[str, Any], step: Step) -> None:
        written = parameters.get("destination")
        if not written:
            raise PermanentError(f"destination is missing; {parameters['action']} needs where to put the file")
        self._objects = objects
        self._workspace = step.workspace
        self._source = self._find(parameters["path"])
        self._target = self._inside(self._find(written), written)

    def perform(self, *, moves: bool) -> str:
        """Copy, then remove the source where it moves; the destination as results show it."""
        if self._source != self._target and not (moves and self._was_moved()):
            self._copy()
            if moves:
                self._remove()
        return self._shown(self._target)

    def _find(self, written: str) -> Path | Place:
        return place_of(written) if is_object(written) else place(written, self._workspace)

    def _inside(self, target: Path | Place, written: str) -> Path | Place:
        """A destination that is a folder takes the file under its own name."""
        if isinstance(target, Place):
            folder = not target.name
            return Place(bucket=target.bucket, key=target.key + self._source.name) if folder else target
        return target / self._source.name if target.is_dir() or written.endswith("/") else target

    def _was_moved(self) -> bool:
        return not self._exists(self._source) and self._exists(self._target)

    def _exists(self, found: Path | Place) -> bool:
        return self._objects.exists(found) if isinstance(found, Place) else found.exists()

    def _copy(self) -> None:
        if isinstance(self._source, Place) and isinstance(self._target, Place):
            self._objects.copy(self._source, self._target)
            return
        content = self._read()
        if isinstance(self._target, Place):
            self._objects.write(self._target, content)
            return
        try:
            write_whole(self._target, content)
        except OSError as fault:
            raise translate(fault, self._shown(self._target)) from fault

    def _read(self) -> bytes:
        if isinstance(self._source, Place):
            return self._objects.read(self._source, MAX_COPIED)
        try:
            content = read_up_to(self._source, MAX_COPIED + 1)
        except OSError as fault:
            raise translate(fault, self._shown(self._source)) from fault
        if len(content) > MAX_COPIED:
            raise PermanentError(f"{self._shown(self._source)} is larger than {MAX_COPIED} bytes")
        return content

    def _remove(self) -> None:
        if isinstance(self._source, Place):
            self._objects.delete(self._source)
            return
        try:
            self._source.unlink(missing_ok=True)
        except OSError as fault:
            raise translate(fault, self._shown(self._source)) from fault

    def _shown(self, found: Path | Place) -> str:
        return str(found) if isinstance(found, Place) else shown(found, self._workspace)
