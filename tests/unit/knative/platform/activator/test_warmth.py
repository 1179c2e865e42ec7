"""Nothing is imported for a request any more once the warm parent is warm."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, json, sys, threading
from intellyhub_knative.platform.activator.preload import preload
from intellyhub_knative.platform.activator.rehearsal import Rehearsal
preload()
rehearsal = Rehearsal()
before = set(sys.modules)
rehearsal.play()
rehearsal.play()
assert threading.active_count() == 1, threading.enumerate()
heap = int(next(l for l in open("/proc/self/smaps_rollup") if l.startswith("Anonymous")).split()[1])
print(json.dumps({"imported": sorted(set(sys.modules) - before), "heap_kb": heap, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def told():
    import json

    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_request_imports_nothing(told):
    assert told["imported"] == []


def test_the_heap_is_small(told):
    assert told["heap_kb"] < 60_000


def test_heavy_modules_stay_out(told):
    assert not {"aiohttp", "asyncio", "cryptography", "sqlite3", "uvloop"} & set(told["modules"])


def test_the_way_to_the_journal_is_there_though_a_rehearsal_does_not_take_it(told):
    assert "intellyhub_engine.journal.remote" in told["modules"]
