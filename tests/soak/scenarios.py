"""What is tried. Each scenario gives the figures of one table row, and whether every promise was kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.frozen import dataclass
from tests.soak.fire import Fire
from tests.soak.flows import HANGING, LEDGER, WAITING, WAKING, WORKING
from tests.soak.platform import Platform
from tests.soak.producers import post_all
from tests.soak.verdict import Verdict, judge

__all__ = ["Outcome", "stop_a_hung_worker", "survive_fire", "survive_power_cut", "wake_under_fire"]

QUIET_SECONDS = 180.0
WAKERS = ("worker", "worker", "worker", "broker", "journal")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one scenario came to."""

    title: str
    figures: Mapping[str, Any]
    kept: bool


def survive_fire(
    scratch: Path, *, events: int, seconds: float, pause_seconds: tuple[float, float], seed: int = 1
) -> Outcome:
    """Post events from four producers while processes are killed; then look for each of them."""
    platform = Platform(scratch / "fire")
    with platform:
        flow = platform.ask("POST", "/api/flows", {"name": "soak work", "yaml_content": WORKING})
        began = time.monotonic()
        with Fire(platform, pause_seconds=pause_seconds, seed=seed) as fire:
            refused = post_all(platform, "soak.work", range(events), threads=4, data={}, seconds=seconds)
            posted = time.monotonic() - began
        wait_until_quiet(platform, flow["id"], events)
        took = time.monotonic() - began
        name = journal_name(platform, flow["id"])
    sent = {f"soak.work-{number}" for number in range(events)}
    verdict = judge(platform.data / "journal.db", name, sent, ledger_of(platform, name), ("one", "two", "three"))
    figures = {
        "events": verdict.events,
        **kills_of(fire),
        "requests repeated by producers": refused,
        **promises_of(verdict),
        "effects in flight that happened again": verdict.effects_again,
        "seconds to post": round(posted, 1),
        "seconds until all had run": round(took, 1),
    }
    kept = verdict.clean and verdict.effects_again <= sum(fire.kills.values())
    return Outcome(title="Everything is killed at random under load", figures=figures, kept=kept)


def survive_power_cut(scratch: Path, *, runs: int, wait_seconds: int) -> Outcome:
    """Kill everything at once while runs wait; start again; all must go on."""
    platform = Platform(scratch / "cut")
    with platform:
        flow = platform.ask("POST", "/api/flows", {"name": "soak wait", "yaml_content": WAITING})
        post_all(platform, "soak.wait", range(runs), threads=4, data={"seconds": wait_seconds})
        wait_for_status(platform, flow["id"], "waiting", runs // 2)
        waiting = count_runs(platform, flow["id"], "waiting")
        platform.kill_everything()
        platform.start()
        wait_until_quiet(platform, flow["id"], runs)
        name = journal_name(platform, flow["id"])
    sent = {f"soak.wait-{number}" for number in range(runs)}
    verdict = judge(platform.data / "journal.db", name, sent, ledger_of(platform, name), ("before", "after"))
    figures = {"runs": runs, "waiting at the kill": waiting, **promises_of(verdict)}
    return Outcome(title="Everything is killed at once while runs wait", figures=figures, kept=verdict.clean)


def wake_under_fire(
    scratch: Path, *, runs: int, seconds: float, pause_seconds: tuple[float, float], seed: int = 1
) -> Outcome:
    """Wake each of many waiting runs by an event of its own, twice, while those are killed that bring it, take it and
    write it down. An event whose delivery is repeated must find the run that it woke: it wakes nobody else, and makes
    no run."""
    platform = Platform(scratch / "wake")
    with platform:
        flow = platform.ask("POST", "/api/flows", {"name": "soak wake", "yaml_content": WAKING})
        name = journal_name(platform, flow["id"])
        ledger = ledger_of(platform, name)
        post_all(platform, "soak.asleep", range(runs), threads=4, data={})
        wait_for_status(platform, flow["id"], "waiting", runs)
        began = time.monotonic()
        with Fire(platform, pause_seconds=pause_seconds, seed=seed, targets=WAKERS) as fire:
            post_all(platform, "soak.wake", range(runs), threads=4, data={}, seconds=seconds, suffix="-first")
            wait_for_effect(ledger, "between", runs)
            wait_for_status(platform, flow["id"], "waiting", runs)
            post_all(platform, "soak.wake", range(runs), threads=4, data={}, seconds=seconds, suffix="-second")
        wait_until_quiet(platform, flow["id"], runs)
        took = time.monotonic() - began
    sent = {f"soak.asleep-{number}" for number in range(runs)}
    verdict = judge(platform.data / "journal.db", name, sent, ledger, ("before", "between", "after"))
    figures = {
        "runs": runs,
        "events that wake them": 2 * runs,
        **kills_of(fire),
        **promises_of(verdict),
        "effects in flight that happened again": verdict.effects_again,
        "seconds until all had run": round(took, 1),
    }
    kept = verdict.clean and verdict.effects_again <= sum(fire.kills.values())
    return Outcome(title="Processes are killed while events wake runs", figures=figures, kept=kept)


def stop_a_hung_worker(scratch: Path, *, timeout_seconds: int) -> Outcome:
    """A flow that takes longer than it may: its worker is stopped, and its run says so."""
    with Platform(scratch / "hang", {"INTELLYHUB_TIMEOUT_SECONDS": str(timeout_seconds)}) as platform:
        flow = platform.ask("POST", "/api/flows", {"name": "soak hang", "yaml_content": HANGING})
        began = time.monotonic()
        begun = platform.ask("POST", f"/api/flows/{flow['id']}/execute", {"event": {}})
        wait_for_status(platform, flow["id"], "failed", 1)
        took = time.monotonic() - began
        run = platform.ask("GET", f"/api/runs/{begun['run_id']}")
    figures = {
        "timeout, seconds": timeout_seconds,
        "stopped after, seconds": round(took, 1),
        "the run says": run["error"],
    }
    kept = "timeout" in (run["error"] or "") and took < timeout_seconds + 10
    return Outcome(title="A worker hangs", figures=figures, kept=kept)


def kills_of(fire: Fire) -> dict[str, Any]:
    """Who was shot."""
    named = ", ".join(f"{name} {count}" for name, count in sorted(fire.kills.items()))
    return {"kills": sum(fire.kills.values()), "of which": named}


def promises_of(verdict: Verdict) -> dict[str, Any]:
    """What must be zero."""
    return {
        "lost": verdict.lost,
        "runs doubled": verdict.doubled,
        "runs that did not succeed": verdict.unfinished,
        "completed steps repeated": verdict.repeated,
        "effects missing": verdict.effects_missing,
    }


def wait_until_quiet(platform: Platform, flow_id: str, runs: int) -> None:
    """Wait until so many runs of the flow have ended. Raises `TimeoutError` when nothing moves for three minutes."""
    deadline, last = time.monotonic() + QUIET_SECONDS, -1
    while (ended := count_runs(platform, flow_id, "succeeded")) < runs:
        if ended != last:
            deadline, last = time.monotonic() + QUIET_SECONDS, ended
        if time.monotonic() > deadline:
            raise TimeoutError(f"{ended} of {runs} runs have ended, and nothing moves")
        time.sleep(0.2)


def wait_for_effect(ledger: Path, effect: str, runs: int, seconds: float = 120.0) -> None:
    """Wait until so many runs have left their line."""

    def done() -> int:
        return len({line for line in ledger.read_text().splitlines() if line.endswith(f" {effect}")})

    wait_for_count(done, runs, seconds, f"lines {effect!r}")


def wait_for_status(platform: Platform, flow_id: str, status: str, runs: int, seconds: float = 60.0) -> None:
    """Wait until at least so many runs have a status."""
    wait_for_count(lambda: count_runs(platform, flow_id, status), runs, seconds, f"runs {status}")


def wait_for_count(count: Callable[[], int], wanted: int, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while (found := count()) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"there are {found} {what}, not {wanted}")
        time.sleep(0.1)


def count_runs(platform: Platform, flow_id: str, status: str) -> int:
    """How many runs of the flow have a status."""
    counts: Mapping[str, int] = platform.ask("GET", f"/api/flows/{flow_id}/status")["runs"]
    return counts.get(status, 0)


def journal_name(platform: Platform, flow_id: str) -> str:
    """What the journal calls the flow."""
    return f"{platform.ask('GET', '/api/auth/me')['tenant']['id']}/{flow_id}"


def ledger_of(platform: Platform, name: str) -> Path:
    """Where the flow of this name leaves its lines."""
    return platform.data / "workspaces" / name.partition("/")[0] / LEDGER
