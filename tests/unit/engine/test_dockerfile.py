"""The engine's Dockerfile, as far as it can be judged without a daemon."""

import re

import orjson
import pytest

from tests.conventions.house import ROOT, text

LINES = [
    line.strip()
    for line in re.sub(r"\\\n\s*", "", text("engine/Dockerfile")).splitlines()
    if line.strip() and not line.startswith("#")
]
STAGES = "\n".join(LINES).split("\nFROM ")[1:]
FINAL = STAGES[-1].splitlines()


def arguments(keyword, lines=LINES):
    return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == keyword]


def variables():
    return dict(pair.split("=", 1) for line in arguments("ENV", FINAL) for pair in line.split())


def test_both_base_images_are_arguments():
    assert [stage.splitlines()[0].split(" ")[0] for stage in STAGES] == ["${BASE_IMAGE}", "${RUNTIME_IMAGE}"]
    assert {line.split("=")[0] for line in arguments("ARG")} == {
        "BASE_IMAGE",
        "RUNTIME_IMAGE",
        "PIP_INDEX_URL",
        "PYTHON_VERSION",
    }


def test_the_package_index_is_known_to_the_build_only():
    assert arguments("ARG", STAGES[0].splitlines()) == ["PIP_INDEX_URL="]
    assert arguments("ARG", FINAL) == ["PYTHON_VERSION"]


@pytest.mark.parametrize("keyword", ["RUN", "CMD", "ENTRYPOINT"])
def test_no_command_needs_a_shell(keyword):
    for written in arguments(keyword):
        assert all(isinstance(word, str) for word in orjson.loads(written))


def test_the_health_check_needs_no_shell_and_asks_our_own_module():
    (check,) = arguments("HEALTHCHECK", FINAL)
    words = orjson.loads(check.partition("CMD ")[2])
    assert words == ["python", "-m", "intellyhub_engine.serving.health"]
    assert (ROOT / "engine" / (words[2].replace(".", "/") + ".py")).is_file()


def test_the_worker_is_what_runs_as_a_numbered_user_and_hears_sigterm():
    assert arguments("CMD", FINAL) == ['["python", "-m", "intellyhub_engine.serving"]']
    assert arguments("USER", FINAL) == ["65532:65532"]
    assert arguments("STOPSIGNAL", FINAL) == ["SIGTERM"]


def test_nothing_is_installed_or_built_in_the_final_stage():
    assert arguments("RUN", FINAL) == []
    assert arguments("COPY", FINAL) == ["--from=build /worker /worker"]


def test_all_that_is_copied_exists_and_is_let_into_the_build():
    ignored = text("engine/Dockerfile.dockerignore").splitlines()
    for copied in arguments("COPY", STAGES[0].splitlines()):
        *sources, _ = copied.split()
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_packages_are_installed_by_hash_and_without_building_any():
    (install,) = (words for written in arguments("RUN") if "pip" in (words := orjson.loads(written)))
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install)
    assert install[-1] == "requirements-engine.lock"


def test_every_compiled_module_holds_whatever_becomes_of_file_times():
    install, compiling, _ = (orjson.loads(written) for written in arguments("RUN"))
    assert "--no-compile" in install  # pip's own go by file times
    assert compiling == ["python", "bytecode.py", "/worker"]


def test_the_worker_imports_nothing_from_where_flows_write():
    assert variables()["PYTHONSAFEPATH"] == "1"


def test_an_entry_point_of_the_base_image_does_not_take_the_command_for_arguments():
    assert arguments("ENTRYPOINT", FINAL) == ["[]"]
    assert FINAL.index("ENTRYPOINT []") < FINAL.index(f"CMD {arguments('CMD', FINAL)[0]}")  # it would empty CMD


def test_a_worker_of_the_image_writes_to_tmp_only():
    assert arguments("WORKDIR", FINAL) == ["/tmp"]
    assert variables()["INTELLYHUB_WORKSPACE"].startswith("/tmp/")
    assert variables()["HOME"] == "/tmp"
    assert variables()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_image_is_open_to_nobody_unless_it_is_told():
    assert not [name for name in variables() if name in ("INTELLYHUB_AUTH", "INTELLYHUB_WORKER_TOKENS")]
