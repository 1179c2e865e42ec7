"""The node: processes with a root file system of their own, made of this machine's, in which volumes lie where pods
have them. It keeps no network apart: every pod has an address of loopback for itself."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.integration.rootfs import unshare, walls_work

__all__ = ["LEFT_OUT", "Node", "image_environment", "walls_work"]

ROOT = Path(__file__).resolve().parents[3]
LEFT_OUT = frozenset(("tmp", "run", "var", "flow", "lost+found"))
PLACES = (
    "tmp",
    "flow",
    "var/lib/intellyhub",
    "var/run/intellyhub/token",
    "var/run/intellyhub/variables",
    "var/run/intellyhub/secrets",
    "var/run/secrets/kubernetes.io/serviceaccount",
)
LEASH = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""However the tests end, pods end with them."""
ENTER = 'exec chroot "$0" sh -c \'cd /tmp && exec "$@"\' sh "$@"'


class Node:
    """One machine. `shared` are folders that pods see where they are here: sockets of PostgreSQL."""

    def __init__(self, folder: Path, shared: Sequence[Path]) -> None:
        self.root = folder / "root"
        self.shared = shared
        for place in PLACES:
            (self.root / place).mkdir(parents=True)
        self.inherited = list(self._inherit())
        self._net = f"127.{random.randrange(64, 250)}.{random.randrange(256)}"
        self._addresses = iter(range(1, 255))

    def _inherit(self) -> Iterator[Path]:
        for path in sorted(Path("/").iterdir()):
            if path.name in LEFT_OUT:
                continue
            if path.is_symlink():
                (self.root / path.name).symlink_to(path.readlink())
            elif path.is_dir():
                (self.root / path.name).mkdir()
                yield path
        for path in {ROOT, Path(sys.prefix), Path(sys.base_prefix)}:
            if path.parts[1] in LEFT_OUT:
                (self.root / str(path).lstrip("/")).mkdir(parents=True)
                yield path

    def address(self) -> str:
        """One for a pod."""
        return f"{self._net}.{next(self._addresses)}"

    def start(
        self, mounts: Sequence[tuple[Path, str]], environment: Mapping[str, str], command: Sequence[str], log: Path
    ) -> subprocess.Popen[bytes]:
        """The pid is the command's own: nothing stands between."""
        lines = ["set -e", "mount --make-rprivate /"]
        lines += [bind(path, self.root / str(path).lstrip("/")) for path in self.inherited]
        lines += [bind(source, self.root / place.lstrip("/")) for source, place in mounts]
        for path in self.shared:
            place = self.root / str(path).lstrip("/")
            lines += [f"mkdir -p {shlex.quote(str(place))}", bind(path, place)]
        namespaces = [each for each in unshare() if each not in ("--pid", "--fork", "--kill-child")]
        with log.open("ab") as said:
            return subprocess.Popen(
                [*LEASH, *namespaces, "sh", "-c", "\n".join([*lines, ENTER]), str(self.root), *command],
                env={**environment, "PATH": f"{Path(sys.executable).parent}:{environment.get('PATH', '')}:/usr/sbin"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
            )


def bind(source: Path, place: Path) -> str:
    return f"mount --rbind {shlex.quote(str(source))} {shlex.quote(str(place))}"


def image_environment(dockerfile: Path) -> dict[str, str]:
    """What the last stage of a Dockerfile sets."""
    stage = dockerfile.read_text().rpartition("\nFROM ")[2]
    found: dict[str, str] = {}
    for block in re.findall(r"^ENV ((?:.*\\\n)*.*)$", stage, re.MULTILINE):
        for pair in shlex.split(block.replace("\\\n", " ")):
            name, _, value = pair.partition("=")
            found[name] = value
    return found | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
