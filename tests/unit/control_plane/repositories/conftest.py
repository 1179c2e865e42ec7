"""A git repository behind a git server, connected to a control plane."""

from __future__ import annotations

import pytest

from intellyhub_control_plane.repositories.pulling import Puller
from intellyhub_functions.testing.git_server import GitServer, Repository


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git" / "flows.git")


@pytest.fixture
def server(tmp_path, repository):
    with GitServer(tmp_path / "git") as server:
        yield server


@pytest.fixture
def ada(house):
    return house.person()


@pytest.fixture
def puller(house):
    return Puller(platform=house.platform)


@pytest.fixture
def connected(house, ada, server):
    """Connects it: what the API answers."""

    def connect(**more):
        answer = house.call(ada, "POST", "/api/repositories", {"url": f"{server.url}/flows.git", **more})
        assert answer.status_code == 201, answer.text
        return answer.json

    return connect


@pytest.fixture
def history(house, ada):
    """The newest look at a repository."""
    return lambda made: house.call(ada, "GET", f"/api/repositories/{made['id']}").json["pulls"]
