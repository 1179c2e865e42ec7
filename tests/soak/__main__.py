"""One command that shoots at a real platform and writes docs/reliability.md.

python -m tests.soak [--events N] [--only fire,wake,cut,hang,disk] [--page FILE]
"""

from __future__ import annotations

import argparse
import os
import platform as machine
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.full_disk import fill_the_disk
from tests.soak.page import make_page, show
from tests.soak.scenarios import Outcome, stop_a_hung_worker, survive_fire, survive_power_cut, wake_under_fire

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NAMES = ("fire", "wake", "cut", "hang", "disk")


def main(arguments: Sequence[str]) -> int:
    """Try every scenario; the exit code is 1 when a promise was broken."""
    options = read_options(arguments)
    began = time.monotonic()
    home = ROOT / ".cache"
    home.mkdir(exist_ok=True)  # on the checkout's file system: journals must be on a real disk
    with tempfile.TemporaryDirectory(prefix="soak-", dir=home) as folder:
        outcomes = [attempt(name, Path(folder), options.events) for name in NAMES if name in options.only]
    minutes = (time.monotonic() - began) / 60
    page = options.page or (PAGE if options.only == NAMES else None)
    if page is not None:
        date = datetime.now(UTC).date().isoformat()
        where = f"{os.cpu_count()} cores, {machine.system()} {machine.release()}, Python {machine.python_version()}"
        page.write_text(make_page(outcomes, date=date, machine=where, minutes=minutes))
        print(f"written: {page}")
    return int(any(isinstance(outcome, Outcome) and not outcome.kept for outcome in outcomes))


def attempt(name: str, folder: Path, events: int) -> Outcome | str:
    """One scenario, with its figures printed."""
    scenarios: dict[str, Callable[[], Outcome | str]] = {
        "fire": lambda: survive_fire(folder, events=events, seconds=events / 50, pause_seconds=(0.3, 1.2)),
        "wake": lambda: wake_under_fire(folder, runs=100, seconds=20, pause_seconds=(0.5, 1.5)),
        "cut": lambda: survive_power_cut(folder, runs=200, wait_seconds=30),
        "hang": lambda: stop_a_hung_worker(folder, timeout_seconds=5),
        "disk": lambda: fill_the_disk(folder),
    }
    print(f"{name} ...", flush=True)
    outcome = scenarios[name]()
    if isinstance(outcome, str):
        print(f"  not tried: {outcome}", flush=True)
        return outcome
    for figure, value in outcome.figures.items():
        print(f"  {figure}: {show(value)}", flush=True)
    print(f"  {'every promise was kept' if outcome.kept else 'A PROMISE WAS BROKEN'}", flush=True)
    return outcome


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; exits with 2 where it cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Shoot at a real platform.")
    parser.add_argument("--events", type=int, default=10_000, help="posted while processes are killed")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=NAMES, metavar="NAME,…")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page here (after a full run: docs)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
