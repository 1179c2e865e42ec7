"""The worker's image, built and run: unprivileged, on a read-only file system, as process 1.

Runs where INTELLYHUB_TEST_BASE_IMAGE names an image that docker or podman has here; INTELLYHUB_TEST_RUNTIME_IMAGE may
name the one to run on. Building needs the package index.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.containers import Container, compressed_bytes, find_tool
from tests.integration.workers import ROOT

BASE = os.environ.get("INTELLYHUB_TEST_BASE_IMAGE", "")
RUNTIME = os.environ.get("INTELLYHUB_TEST_RUNTIME_IMAGE") or BASE
TAG = "localhost/intellyhub-engine:test"
BUDGET_BYTES = 90_000_000  # compressed, with its base
HEALTH = ("python", "-m", "intellyhub_engine.serving.health")
FRAMEWORK = ("functions-framework", "--source", "/worker/main.py", "--target", "handle_event", "--host", "127.0.0.1")
COMMANDS = {"lean": (), "framework": FRAMEWORK}

FLOW = """
name: image
states:
  compute:
    state_type: command
    eval: |
      import os
      total, user = sum(numbers), os.getuid()
    transition: shell
  shell:
    state_type: command
    shell: touch began; sleep {nap}; echo {total} for $(id -u)
    output: said
    transition: answer
  answer: {state_type: end, result: {total: "{total}", user: "{user}", said: "{said.stdout}"}}
"""
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "t.made"}
PROBE = """
import json, os

def is_writable(folder):
    try:
        open(folder + "/probe", "w").close()
    except OSError:
        return False
    return True

status = dict(line.split(":", 1) for line in open("/proc/1/status"))
print(json.dumps({
    "command": open("/proc/1/cmdline").read().split("\\0")[1:3],
    "users": set(status["Uid"].split() + status["Gid"].split()) == {"65532"},
    "privileges": int(status["CapEff"], 16),
    "writable": [folder for folder in ("/", "/worker", "/etc", "/var/tmp", "/tmp") if is_writable(folder)],
    "journal": os.path.exists("/tmp/journal.db"),
}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(not BASE, reason="INTELLYHUB_TEST_BASE_IMAGE names no image to build the worker's image from"),
]


@pytest.fixture(scope="module")
def tool():
    found = find_tool(BASE)
    if found is None:
        pytest.skip(f"neither docker nor podman works here and has {BASE}")
    build = [sys.executable, "scripts/build_image.py", "--tool", found, "--tag", TAG]
    built = subprocess.run([*build, "--base", BASE, "--runtime", RUNTIME], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    yield found
    subprocess.run([found, "rmi", "--force", TAG], capture_output=True)


@pytest.fixture
def flow(tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW)
    path.chmod(0o644)
    return path


@pytest.fixture(params=list(COMMANDS))
def worker(request, tool, flow):
    container = Container(tool, TAG, flow, COMMANDS[request.param])
    yield container.wait_until_ready()
    container.close()


def test_an_event_is_answered_with_what_python_and_a_shell_made_of_it(worker):
    status, body = worker.ask(body={"numbers": [1, 2, 3], "nap": 0}, headers=EVENT)
    assert status == 200, worker.log()
    assert json.loads(body)["output"] == {"total": 6, "user": 65532, "said": "6 for 65532"}


def test_process_1_is_the_worker_without_privileges_and_writes_to_tmp_only(worker):
    worker.ask(body={"numbers": [1], "nap": 0})
    found = json.loads(worker.execute("python", "-c", PROBE).stdout)
    command = found.pop("command")
    assert command[0] == "-m" or command[0].endswith("/functions-framework")
    assert found == {"users": True, "privileges": 0, "writable": ["/tmp"], "journal": True}


def test_its_health_is_asked_after_without_a_shell(worker):
    assert worker.execute(*HEALTH).returncode == 0
    assert worker.execute("env", "PORT=1", *HEALTH).returncode == 1


def test_nothing_that_a_flow_leaves_in_tmp_is_imported(worker):
    plant = "open('/tmp/socket.py', 'w').write('raise SystemExit(3)')"
    assert worker.execute("python", "-c", plant).returncode == 0
    assert worker.execute(*HEALTH).returncode == 0


def test_on_sigterm_what_is_in_flight_is_answered_and_process_1_ends_with_0(worker):
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(worker.ask, body={"numbers": [4], "nap": 2})
        while worker.execute("ls", "/tmp/workspace/began").returncode:
            assert not asked.done(), asked.result()
            time.sleep(0.02)
        worker.tell("kill", "--signal", "TERM", worker.name)
        status, body = asked.result()
        assert (status, json.loads(body)["output"]["total"]) == (200, 4)
    assert worker.wait() == 0


def test_the_health_check_of_the_image_is_the_one_that_is_asked_here(tool):
    inspect = subprocess.run([tool, "image", "inspect", TAG], capture_output=True, text=True, check=True)
    (image,) = json.loads(inspect.stdout)
    check = image.get("Healthcheck") or image["Config"]["Healthcheck"]  # podman's place, docker's place
    assert check["Test"] == ["CMD", *HEALTH]


def test_every_module_of_the_image_is_compiled_for_good(tool):
    count = (
        "import pathlib; root = pathlib.Path('/worker'); "
        "print(len(list(root.rglob('*.py'))), sum(p.read_bytes()[4] == 1 for p in root.rglob('*.pyc')))"
    )
    told = subprocess.run([tool, "run", "--rm", TAG, "python", "-c", count], capture_output=True, text=True, check=True)
    modules, compiled = map(int, told.stdout.split())
    assert compiled == modules > 500


def test_the_image_says_what_is_in_it(tool):
    told = subprocess.run(
        [tool, "run", "--rm", TAG, "python", "-c", "print(open('/worker/sbom.cdx.json').read())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"orjson", "functions-framework"} <= {each["name"] for each in json.loads(told.stdout)["components"]}


def test_the_image_is_within_its_budget(tool):
    assert compressed_bytes(tool, TAG) <= BUDGET_BYTES
