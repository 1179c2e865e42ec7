"""A disk that fills up: a small file system in a mount namespace of its own, so that no other disk is touched.

Run as `python -m tests.soak.full_disk FOLDER` inside `unshare --user --map-root-user --mount`; prints figures as JSON.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import urllib3

from tests.soak.flows import WORKING
from tests.soak.platform import Platform
from tests.soak.producers import post_all
from tests.soak.scenarios import Outcome, wait_until_quiet

__all__ = ["fill_the_disk"]

DISK = "64m"
OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


def fill_the_disk(scratch: Path) -> Outcome | str:
    """Fill the platform's disk, ask for more, make room again. A sentence where this machine does not allow it."""
    folder = scratch / "full"
    folder.mkdir()
    if shutil.which("unshare") is None or subprocess.run([*OWN_MOUNTS, "true"], capture_output=True).returncode:
        return "a file system of its own cannot be mounted here (unshare is missing or refused)"
    command = [*OWN_MOUNTS, sys.executable, "-m", "tests.soak.full_disk", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"the scenario of the full disk broke off:\n{ended.stderr[-4000:]}")
    figures = json.loads(ended.stdout)
    kept = (
        figures["answers while full"].keys() <= {"507", "503"}
        and "507" in figures["answers while full"]
        and figures["lost"] == 0
        and figures["integrity check"] == "ok"
    )
    return Outcome(title="The disk is full", figures=figures, kept=kept)


def main(folder: Path) -> None:
    """Inside the namespace."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)
    platform = Platform(folder / "data")
    platform.log = folder.with_suffix(".log")
    with platform:
        flow = platform.ask("POST", "/api/flows", {"name": "soak work", "yaml_content": WORKING})
        post_all(platform, "soak.work", range(20), threads=2, data={})
        wait_until_quiet(platform, flow["id"], 20)
        fill(folder / "filler")
        answers = Counter(answer(platform, number) for number in range(100, 160))
        (folder / "filler").unlink()
        post_all(platform, "soak.work", range(20, 40), threads=2, data={})
        wait_until_quiet(platform, flow["id"], 40)
    with sqlite3.connect(platform.data / "journal.db") as database:
        made = {event for (event,) in database.execute("SELECT event_id FROM run WHERE event_source = '/soak'")}
        integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
    accepted = {f"soak.work-{number}" for number in range(40)}
    figures = {
        "answers while full": {code: count for code, count in answers.items() if code != "202"},
        "accepted while full": answers["202"],
        "accepted before and after": len(accepted),
        "lost": len(accepted - made),
        "integrity check": integrity,
    }
    print(json.dumps(figures))


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0")


def answer(platform: Platform, number: int) -> str:
    """The status that one more event gets: large enough not to fit anywhere."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": f"soak.full-{number}",
        "ce-source": "/soak-full",
        "ce-type": "soak.unheard",
    }
    try:
        return str(platform.send("POST", "/events/main", {"n": number, "text": "x" * 60_000}, headers).status)
    except urllib3.exceptions.HTTPError as fault:
        return type(fault).__name__


if __name__ == "__main__":
    main(Path(sys.argv[1]))
