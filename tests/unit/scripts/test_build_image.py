"""The command that builds an image, from what was asked for."""

import pytest

from scripts.build_image import find_epoch, make_command, read_arguments


def command(tool, *arguments, **environment):
    return make_command(tool, read_arguments(arguments), environment, "1700000000")


def test_without_arguments_the_dockerfile_decides_what_it_is_built_from():
    words = command("docker")
    assert words[:6] == ["docker", "build", "--file", "engine/Dockerfile", "--tag", "intellyhub-engine"]
    assert words[6:] == ["--build-arg", "SOURCE_DATE_EPOCH=1700000000", "."]


def test_the_platform_has_an_image_of_its_own():
    words = command("docker", "--which", "control-plane", "--node", "a/node", NPM_CONFIG_REGISTRY="https://npm.example")
    assert words[2:6] == ["--file", "control-plane/Dockerfile", "--tag", "intellyhub-control-plane"]
    assert {"NODE_IMAGE=a/node", "NPM_CONFIG_REGISTRY"} <= set(words)


def test_the_images_to_build_from_are_build_arguments():
    words = command("docker", "--base", "a/python", "--runtime", "b/python", "--python", "3.12.1")
    assert {"BASE_IMAGE=a/python", "RUNTIME_IMAGE=b/python", "PYTHON_VERSION=3.12.1"} <= set(words)


def test_the_health_check_gets_into_images_of_tools_that_would_leave_it_out():
    for tool in ("podman", "buildah"):
        words = command(tool)
        assert words[words.index("--format") + 1] == "docker"


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_times_in_the_image_are_those_of_the_sources(tool):
    words = command(tool)
    assert words[words.index("--timestamp") + 1] == "1700000000"


def test_the_time_is_that_of_the_environment_or_of_the_last_commit():
    assert find_epoch({"SOURCE_DATE_EPOCH": "17"}) == "17"
    assert find_epoch({}).isdigit()


def test_a_package_index_is_passed_by_name_so_that_its_password_is_in_no_list_of_processes():
    words = command("podman", PIP_INDEX_URL="https://me:secret@index.example/simple")
    assert words[words.index("--build-arg") + 1] == "PIP_INDEX_URL"
    assert "secret" not in " ".join(words)


def test_options_of_the_tool_stand_before_the_folder_that_is_built():
    words = command("podman", "--tag", "mine", "--", "--no-cache", "--volume=/a:/b")
    assert words[-3:] == ["--no-cache", "--volume=/a:/b", "."]
    assert words[words.index("--tag") + 1] == "mine"
