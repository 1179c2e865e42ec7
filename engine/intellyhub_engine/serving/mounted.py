"""What a pod is told in files, as it stands now: the kubelet replaces them while the pod runs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.credentials import TokenFile
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.surroundings import Surroundings, make_surroundings, read_variables

__all__ = ["Mounted", "Told", "make_token", "read_told"]

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""How often it is looked whether the files were replaced, when somebody asks."""
LINK = "..data"
"""What the kubelet replaces when it renews a folder of Secrets, ConfigMaps or tokens: a link to what is in it."""
Mark = tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the files say."""

    surroundings: Surroundings
    budget: Mapping[str, Mapping[str, float]]


def read_told(settings: Settings, environment: Mapping[str, str]) -> Told:
    """Read them all. Raises `InputInvalid`."""
    budget: Mapping[str, Any] = {}
    if settings.budget_file:
        budget = read_variables(settings.budget_file, "INTELLYHUB_BUDGET_FILE")
    return Told(surroundings=make_surroundings(settings, environment), budget=budget)


class Mounted:
    """Reads the files again when they were replaced. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        outside: Outside | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads them the first time; raises `InputInvalid`. `environment` is kept as it is now."""
        self._settings = settings
        self._environment = dict(environment)
        self._outside = outside
        self._clock = clock
        self._paths = [path for path in (settings.variables_file, settings.secrets_dir, settings.budget_file) if path]
        self._marks = self._look()
        self._looked = clock()
        self.told = self._read()

    def renew(self) -> Told | None:
        """What the files say, where that is not what they said before. What cannot be read is logged, and leaves what
        was known."""
        if not self._paths or self._clock() - self._looked < LOOK_SECONDS:
            return None
        self._looked = self._clock()
        marks = self._look()
        if marks == self._marks:
            return None
        try:
            self.told = self._read()
        except InputInvalid as fault:
            LOG.warning("what has changed is not taken over: %s", fault)
            return None
        self._marks = marks
        LOG.info("variables, secrets or the budget have changed")
        return self.told

    def _read(self) -> Told:
        if self._outside is None:
            return read_told(self._settings, self._environment)
        return self._outside.do(lambda: read_told(self._settings, self._environment))

    def _look(self) -> list[Mark]:
        """Marks of what the kubelet replaces: Landlock does not keep anybody from asking for those."""
        return [mark_of(path) for path in self._paths]


def mark_of(path: str) -> Mark:
    """What changes when a folder, or the folder of a file, is renewed; None where there is nothing."""
    folder = path if Path(path).is_dir() else str(Path(path).parent)
    for place in (os.path.join(folder, LINK), path):  # noqa: PTH118 - asked for at every run
        try:
            found = os.stat(place)  # noqa: PTH116
        except OSError:
            continue
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def make_token(settings: Settings, outside: Outside | None) -> TokenFile | None:
    """What is shown to a journal service; None where there is nothing to show."""
    if not settings.journal_token_file:
        return None
    path = Path(settings.journal_token_file)
    return TokenFile(path) if outside is None else OutsideToken(path, outside)


class OutsideToken(TokenFile):
    """A token's file that is read by a thread outside of the walls."""

    def __init__(self, path: Path | str, outside: Outside) -> None:
        super().__init__(path)
        self._outside = outside

    def read(self) -> str:
        """The token of this moment. Raises `JournalUnwritable` where there is none."""
        return self._outside.do(super().read)
