"""What the Dockerfiles say, as far as it can be judged without a daemon; and that the engine's says what engine_layer
does. More of the engine's: tests/unit/engine/test_dockerfile.py."""

import json
import re

import pytest

from intellyhub_knative.images import engine_layer
from scripts.setup import PIP_VERSION, PIP_WHEEL_SHA256
from tests.conventions.house import ROOT, text


def lines_of(name):
    joined = re.sub(r"\\\n\s*", "", text(f"{name}/Dockerfile"))
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def final_of(name):
    return "\n".join(lines_of(name)).split("\nFROM ")[-1].splitlines()


def arguments(keyword, lines):
    return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == keyword]


def variables(name):
    return dict(pair.split("=", 1) for line in arguments("ENV", final_of(name)) for pair in line.split())


def test_engine_images_are_the_same_with_docker_and_without():
    final = final_of("engine")
    assert variables("engine") == engine_layer.ENVIRONMENT
    assert [json.loads(line) for line in arguments("CMD", final)] == [engine_layer.COMMAND]
    assert arguments("USER", final) == [engine_layer.USER]


def test_every_package_of_the_platform_is_in_its_image():
    copied = arguments("COPY", lines_of("control-plane"))
    for package in ("engine", "functions", "knative", "control-plane"):
        assert f"{package} {package}" in copied
    assert any("./control-plane" in line for line in arguments("RUN", lines_of("control-plane")))


def test_all_that_the_platform_s_image_copies_exists_and_is_let_into_the_build():
    ignored = text("control-plane/Dockerfile.dockerignore").splitlines()
    for copied in arguments("COPY", lines_of("control-plane")):
        *sources, _ = copied.split()
        for source in sources:
            if not source.startswith(("--from", "/")):
                assert (ROOT / source).exists()
                assert any(f"!{parent}" in ignored for parent in (source, source.split("/")[0]))


def test_the_platform_runs_as_a_numbered_user_on_a_root_that_nobody_writes():
    final = final_of("control-plane")
    assert arguments("USER", final) == ["65532:65532"]
    assert arguments("RUN", final) == []
    assert variables("control-plane")["HOME"] == "/tmp"
    assert variables("control-plane")["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("name", ["engine", "control-plane"])
def test_nothing_needs_a_shell_and_everything_is_installed_by_hash(name):
    runs = [json.loads(written) for written in arguments("RUN", lines_of(name))]
    for words in runs:
        if "install" in words and "pip" in words:
            assert "--no-compile" in words
            assert "--require-hashes" in words or "--no-index" in words
    assert any(words[-2:] != [] and "sbom.py" in " ".join(words) for words in runs)


def test_the_pip_of_the_platform_is_the_one_of_set_up():
    assert f"pip=={PIP_VERSION} --hash=sha256:{PIP_WHEEL_SHA256}" in text("control-plane/pip.lock").splitlines()
