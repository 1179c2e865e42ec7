"""One command that measures every topic, prints the table and writes docs/benchmarks.md.

python -m tests.benchmarks [--only TOPIC,TOPIC] [--quick] [--page FILE]
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.bench import ROOT, Bench
from tests.benchmarks.facts import find_npm_versions, find_versions, make_facts
from tests.benchmarks.page import make_page, make_summary
from tests.benchmarks.row import Row
from tests.benchmarks.table import make_faults, print_table

PAGE = ROOT / "docs" / "benchmarks.md"
ENGINE = ("transition", "guard", "load", "durable_step", "event", "durable_flow", "start", "memory", "sandbox")
PLATFORM = ("activation", "hook", "platform_durable", "events", "api", "images")
TOPICS = (*ENGINE, *PLATFORM)
"""In the order of the page; each is a module of `topics`."""


def main(arguments: Sequence[str]) -> int:
    """Measure; the exit code is 0 also where a budget is missed, for the page to say so."""
    options = read_options(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended then too
    started = time.monotonic()
    with make_scratch() as folder:
        scratch = Path(folder)
        facts = make_facts(scratch)
        rows = measure(options.only, Bench(scratch=scratch, quick=options.quick))
    minutes = (time.monotonic() - started) / 60
    print_table(rows)
    for fault in make_faults(rows):
        print(f"not run: {fault}")
    print(f"{make_summary(rows)} {minutes:.1f} minutes.")
    page = options.page or (PAGE if options.only == TOPICS and not options.quick else None)
    if page is not None:
        date = datetime.now(UTC).date().isoformat()
        versions = find_versions() | find_npm_versions()
        page.write_text(make_page(rows, facts=facts, versions=versions, date=date, minutes=minutes))
        print(f"written: {page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}")
    return 0


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; exits with 2 where it cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the budgets.")
    parser.add_argument(
        "--only", type=read_topics, default=TOPICS, metavar="TOPIC,…", help=f"some of: {', '.join(TOPICS)}"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the page here (docs/benchmarks.md after a full run)"
    )
    return parser.parse_args(arguments)


def read_topics(text: str) -> tuple[str, ...]:
    """Topics by name, in the order of the page."""
    asked = {name.strip() for name in text.split(",")}
    if unknown := asked.difference(TOPICS):
        raise argparse.ArgumentTypeError(
            f"no topic is called {', '.join(sorted(unknown))}; there are {', '.join(TOPICS)}"
        )
    return tuple(topic for topic in TOPICS if topic in asked)


def make_scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder on the checkout's file system, because the journals must be on a real disk and not in memory."""
    home = ROOT / ".cache"
    home.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="benchmarks-", dir=home)


def measure(topics: Sequence[str], bench: Bench) -> list[Row]:
    """Every topic in turn."""
    rows: list[Row] = []
    for topic in topics:
        started = time.monotonic()
        print(f"{topic} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.benchmarks.topics.{topic}").measure(bench)
        print(f"{topic}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
