"""The command that builds the image, from what was asked for."""

from scripts.build_image import make_command, read_arguments


def command(tool, *arguments, **environment):
    return make_command(tool, read_arguments(arguments), environment)


def test_without_arguments_the_dockerfile_decides_what_it_is_built_from():
    words = command("docker")
    assert words == ["docker", "build", "--file", "engine/Dockerfile", "--tag", "intellyhub-engine", "."]


def test_the_images_to_build_from_are_build_arguments():
    words = command("docker", "--base", "a/python", "--runtime", "b/python")
    assert "BASE_IMAGE=a/python" in words
    assert "RUNTIME_IMAGE=b/python" in words


def test_the_health_check_gets_into_images_of_tools_that_would_leave_it_out():
    for tool in ("podman", "buildah"):
        words = command(tool)
        assert words[words.index("--format") + 1] == "docker"


def test_a_package_index_is_passed_by_name_so_that_its_password_is_in_no_list_of_processes():
    words = command("podman", PIP_INDEX_URL="https://me:secret@index.example/simple")
    assert words[words.index("--build-arg") + 1] == "PIP_INDEX_URL"
    assert "secret" not in " ".join(words)


def test_options_of_the_tool_stand_before_the_folder_that_is_built():
    words = command("podman", "--tag", "mine", "--", "--no-cache", "--volume=/a:/b")
    assert words[-3:] == ["--no-cache", "--volume=/a:/b", "."]
    assert words[words.index("--tag") + 1] == "mine"
