"""A package index and a git server, both real, on loopback."""

import pytest

from intellyhub_functions.layers import installer
from intellyhub_functions.testing.git_server import GitServer, Repository
from intellyhub_functions.testing.package_index import PackageIndex


@pytest.fixture
def index(tmp_path, monkeypatch):
    with PackageIndex(tmp_path / "index") as index:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        for name, value in index.environment.items():
            monkeypatch.setenv(name, value)
        installer.configuration.cache_clear()
        yield index
        installer.configuration.cache_clear()


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "git" / "plugins.git")


@pytest.fixture
def git_server(tmp_path, repository):
    with GitServer(tmp_path / "git") as server:
        yield server
