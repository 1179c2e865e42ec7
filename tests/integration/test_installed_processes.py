"""The control plane's processes as the installer starts them: on a TCP port, with a key that cannot be written."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import psycopg2
import pytest

from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.postgresql import postgresql as running_postgresql
from intellyhub_knative.installer.secrets import make_first_secrets
from tests.unit.knative.installer.rendered import needs_kubectl, of_kind, pods, render


def run(module, environment, **more):
    return subprocess.Popen([sys.executable, "-m", module], env=os.environ | environment, **more)


@pytest.fixture
def data(tmp_path):
    """The data folder of a pod: empty, but for the key."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o777)
    [key, *_] = make_first_secrets("intellyhub")
    (folder / "platform.key").write_bytes(base64.b64decode(key["data"]["platform.key"]))
    (folder / "platform.key").chmod(0o440)
    return folder


@pytest.mark.slow
def test_the_api_answers_on_a_port_and_ends_when_told(data):
    reading, writing = os.pipe()
    port = free_port()
    environment = {
        "INTELLYHUB_DATA": str(data),
        "INTELLYHUB_CONTROL_LISTEN": f"127.0.0.1:{port}",
        "INTELLYHUB_READY_FD": str(writing),
        "INTELLYHUB_CONTROL_PROCESSES": "1",
        "DATABASE_URL": f"sqlite:///{data}/control.db",
    }
    with run("intellyhub_control_plane.server", environment, pass_fds=(writing,)) as process:
        os.close(writing)
        try:
            with os.fdopen(reading) as told:
                assert any(line == "ready\n" for line in told)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                assert answer.status == 200
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_migrating_is_a_command_of_its_own(tmp_path):
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/control.db"}
    for _ in range(2):
        with run("intellyhub_control_plane.database.migrate", environment) as process:
            assert process.wait(30) == 0
    with run("intellyhub_control_plane.database.migrate", {"DATABASE_URL": ""}, stderr=subprocess.PIPE) as process:
        assert b"DATABASE_URL is not set" in process.stderr.read()
        assert process.wait(30) == 2


def test_a_database_that_is_away_is_named_without_its_password():
    environment = {"DATABASE_URL": f"postgresql://intellyhub:hush@127.0.0.1:{free_port()}/intellyhub"}
    with run("intellyhub_control_plane.database.migrate", environment, stderr=subprocess.PIPE) as process:
        told = process.stderr.read().decode()
        assert process.wait(30) == 2
    assert "cannot be used" in told
    assert "hush" not in told


class Pods:
    """The installer's pods as processes of this machine: their commands, their variables, their probes."""

    def __init__(self, folder, secrets):
        self.folder = folder
        self.secrets = secrets
        self.ports = {}
        self.running = {}

    def port(self, name, number):
        """Where a pod's port is on this machine."""
        return self.ports.setdefault((name, number), free_port())

    def variables(self, name, container, shared):
        """What the pod would be told. Addresses of Services and of all interfaces become ports of this machine."""
        told = dict(shared)
        for one in container.get("env", ()):
            reference = one.get("valueFrom", {}).get("secretKeyRef")
            value = one.get("value") if reference is None else self.secrets.get((reference["name"], reference["key"]))
            assert value is not None or reference.get("optional"), one
            told |= {one["name"]: value} if value is not None else {}
        told["INTELLYHUB_JOURNAL"] = f"http://127.0.0.1:{self.port('journal', 8080)}"
        told["INTELLYHUB_CONTROL"] = f"http://127.0.0.1:{self.port('api', 8080)}"
        for variable, value in told.items():
            if value.startswith("0.0.0.0:"):
                told[variable] = f"127.0.0.1:{self.port(name, int(value.partition(':')[2]))}"
        if "INTELLYHUB_PORT" in told:
            told |= {"INTELLYHUB_HOST": "127.0.0.1", "INTELLYHUB_PORT": str(self.port(name, 8080))}
        return told | {"PORT": str(self.port(name, 8080))}

    def start(self, name, pod, shared):
        """Begin the process, with a data folder of its own as a pod has."""
        [container] = pod["containers"]
        data = self.folder / name
        data.mkdir(mode=0o777)
        (data / "platform.key").write_text(self.secrets["intellyhub-key", "platform.key"])
        (data / "platform.key").chmod(0o440)
        told = self.variables(name, container, shared) | {"INTELLYHUB_DATA": str(data)}
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, *container["command"][1:]]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("INTELLYHUB_")}
        self.running[name] = subprocess.Popen(command, env=kept | told, stdout=log, stderr=log)
        log.close()

    def answers(self, name, container, probe, deadline):
        """Whether a probe succeeds in time; a process that ended does not."""
        asked = container[probe]["httpGet"]
        number = next(port["containerPort"] for port in container["ports"] if port["name"] == asked["port"])
        return await_answer(f"http://127.0.0.1:{self.port(name, number)}{asked['path']}", self.running[name], deadline)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def stop(self):
        """As a cluster does: they are told, and then they end by themselves."""
        for process in self.running.values():
            process.terminate()
        return {name: process.wait(30) for name, process in self.running.items()}


def await_answer(url, process, deadline):
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=3) as answer:
            return answer.status == 200
        time.sleep(0.1)  # nobody tells when a port opens
    return False


@pytest.fixture
def secrets():
    """What the Job `secrets` would have made, with the addresses of a PostgreSQL of this machine."""
    with running_postgresql() as socket_path:
        folder = socket_path.parent
        admin = psycopg2.connect(f"host={folder} user=postgres dbname=postgres")
        admin.autocommit = True
        with admin.cursor() as cursor:
            for name in ("intellyhub", "journal"):
                cursor.execute(f"CREATE DATABASE {name}")
        admin.close()
        made = {
            (manifest["metadata"]["name"], key): base64.b64decode(value).decode()
            for manifest in make_first_secrets("intellyhub")
            for key, value in manifest["data"].items()
        }
        for key, name in (
            ("DATABASE_URL", "intellyhub"),
            ("INTELLYHUB_DATABASE_URL", "intellyhub"),
            ("INTELLYHUB_JOURNAL_DATABASE_URL", "journal"),
        ):
            made["intellyhub-database", key] = f"postgresql://postgres@/{name}?host={folder}"
        yield made


@needs_kubectl
@pytest.mark.slow
def test_every_process_starts_with_what_its_pod_is_told_and_answers_its_probes(tmp_path, secrets):
    manifests = render("overlays/development")
    [shared] = [one["data"] for one in of_kind(manifests, "ConfigMap") if "INTELLYHUB_TARGET" in one["data"]]
    (tmp_path / "jwks").write_text('{"keys": []}')
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    outside = {
        "INTELLYHUB_TOKEN_ISSUER": "https://cluster.test",  # else it is read from the pod's own token
        "INTELLYHUB_TOKEN_JWKS": str(tmp_path / "jwks"),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "INTELLYHUB_CONTROL_PROCESSES": "1",
    }
    made = {name: pod for name, _, pod in pods(manifests)}
    platform = Pods(tmp_path, secrets)
    migrate = made["migrate"]["containers"][0]
    told = platform.variables("migrate", migrate, shared)
    done = subprocess.run([sys.executable, *migrate["command"][1:]], env=os.environ | told, timeout=30)
    assert done.returncode == 0
    try:
        for name in STARTED:
            platform.start(name, made[name], shared | outside)
        deadline = time.monotonic() + 40
        for name in STARTED:
            [container] = made[name]["containers"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe in container:
                    assert platform.answers(name, container, probe, deadline), (name, probe, platform.log(name))
        assert platform.running["poller"].poll() is None, platform.log("poller")
    finally:
        ended = platform.stop()
    assert ended == dict.fromkeys(STARTED, 0), {name: platform.log(name) for name, code in ended.items() if code}


STARTED = ("journal", "api", "gateway", "forwarder", "reconciler", "poller")
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: away
contexts: [{name: away, context: {cluster: away, user: away}}]
clusters: [{name: away, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: away, user: {}}]
"""
