"""A package index and a git server, both real, on loopback."""

import pytest

from intellyhub_functions.testing.git_server import GitServer, Repository
from intellyhub_functions.testing.package_index import only_index


@pytest.fixture
def index(tmp_path):
    with only_index(tmp_path / "index") as index:
        yield index


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git" / "plugins.git")


@pytest.fixture
def git_server(tmp_path, repository):
    with GitServer(tmp_path / "git") as server:
        yield server
