"""Every library has its reason in docs/dependencies.md."""

import json
import re
import tomllib

from tests.conventions.house import LOCKS, NODE_LOCK, PACKAGE_FOLDERS, text

PAGE = "docs/dependencies.md"


def test_every_direct_dependency_is_named_in_the_dependencies_page():
    assert sorted(direct_dependencies() - names_in_page()) == []


def test_the_dependencies_page_names_no_library_that_is_not_used():
    assert sorted(names_in_page() - direct_dependencies()) == []


def direct_dependencies():
    """Return the names that the packages, the lock inputs and the console ask for, without our own."""
    wanted = [line for lock in (*LOCKS, NODE_LOCK) for line in text(lock.replace(".lock", ".in")).splitlines()]
    for folder in PACKAGE_FOLDERS:
        project = tomllib.loads(text(f"{folder}/pyproject.toml"))["project"]
        wanted += project["dependencies"]
        wanted += [line for extra in project.get("optional-dependencies", {}).values() for line in extra]
    package = json.loads(text("frontend/package.json"))
    console = {*package["dependencies"], *package["devDependencies"]}
    names = {match.group().lower() for line in wanted if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))}
    return console | {name for name in names if not name.startswith("intellyhub-")}


def names_in_page():
    """Return the names in the first column of the page's tables."""
    return {name.lower() for name in re.findall(r"^\| `([^`]+)` \|", text(PAGE), re.MULTILINE)}
