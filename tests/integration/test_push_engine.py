"""`scripts/push_engine.py`: with real registries, and a kubectl that says where they are."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.image import Image
from intellyhub_knative.images.source import open_base, this_platform
from intellyhub_knative.images.store import Store, make_layer
from intellyhub_knative.images.tree import Entry
from tests.integration.registries.debian import PROGRAM, debian_registry
from tests.integration.registries.strict import StrictRegistry

SCRIPT = Path(__file__).parents[2] / "scripts" / "push_engine.py"
NAME = "localhost:30500/intellyhub-engine:1"
KUBECTL = """#!{python}
import signal, sys
assert sys.argv[1:] == ["--context", "trial", "--namespace", "intellyhub",
                        "port-forward", "--address", "127.0.0.1", "service/registry", ":5000"], sys.argv
if {port} == 0:
    sys.exit("error: services \\"registry\\" not found")
print("Forwarding from 127.0.0.1:{port} -> 5000", flush=True)
signal.pause()
"""
DOCKER = """#!{python}
import shutil, sys
if sys.argv[1:3] == ["image", "inspect"]:
    sys.exit(sys.argv[3] != "intellyhub-engine")
assert sys.argv[1:3] == ["save", "--output"] and sys.argv[4:] == ["intellyhub-engine"], sys.argv
shutil.copy({archive!r}, sys.argv[3])
"""


@pytest.fixture
def image(tmp_path):
    """An engine image, as an archive."""
    system, architecture = this_platform().split("/")
    layer = make_layer([Entry(path="a", content=b"engine")], created_by="test")
    image = Image(config={"os": system, "architecture": architecture, "config": {}}, layers=(layer,))
    push(image, parse(f"tar:{tmp_path / 'engine.tar'}", name="engine:1"))
    return image


@contextmanager
def registry_of(kind, folder):
    with StrictRegistry() if kind == "strict" else debian_registry(folder) as registry:
        yield registry.host


@pytest.fixture(
    params=["strict", pytest.param("debian", marks=pytest.mark.skipif(PROGRAM is None, reason="none here"))]
)
def host(request, tmp_path):
    with registry_of(request.param, tmp_path / "registry") as host:
        yield host


def run(folder, host, *arguments, tools=("kubectl",)):
    """The script, on a machine with these tools."""
    (folder / "bin").mkdir(exist_ok=True)
    texts = {
        "kubectl": KUBECTL.format(python=sys.executable, port=host.rpartition(":")[2]),
        "docker": DOCKER.format(python=sys.executable, archive=str(folder / "engine.tar")),
    }
    for name in tools:
        (folder / "bin" / name).write_text(texts[name])
        (folder / "bin" / name).chmod(0o755)
    command = [sys.executable, SCRIPT, "--to", NAME, "--context", "trial", *arguments]
    environment = {"PATH": str(folder / "bin"), "HOME": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50)


def there(folder, host):
    return open_base(NAME.replace("localhost:30500", host), store=Store(folder=folder / "store")).layers[0].blob.read()


def test_an_image_of_dockers_gets_into_the_cluster(host, image, tmp_path):
    done = run(tmp_path, host, tools=("kubectl", "docker"))
    assert done.returncode == 0, done.stderr
    assert there(tmp_path, host) == image.layers[0].blob.read()


def test_without_docker_a_file_or_what_is_there_will_do(host, image, tmp_path):
    assert run(tmp_path, host, "--image", f"tar:{tmp_path / 'engine.tar'}").returncode == 0
    assert there(tmp_path, host) == image.layers[0].blob.read()
    done = run(tmp_path, host)
    assert done.returncode == 0, done.stderr
    assert "is in the cluster already" in done.stdout


def test_what_is_missing_is_said_with_the_remedy(tmp_path):
    with StrictRegistry() as registry:
        done = run(tmp_path, registry.host)
        assert done.returncode == 1
        assert "no engine image here called intellyhub-engine, and none in the cluster: build it first" in done.stderr
        done = run(tmp_path, registry.host, "--image", "typo")
        assert "neither docker nor podman has an image called typo" in done.stderr


def test_a_cluster_without_the_registry_is_told_in_kubectls_words(tmp_path, image):
    done = run(tmp_path, "x:0", "--image", f"tar:{tmp_path / 'engine.tar'}")
    assert done.returncode == 1
    assert 'registry cannot be reached: error: services "registry" not found' in done.stderr
