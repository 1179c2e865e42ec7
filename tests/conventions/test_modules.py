"""Every module says what it is for, is named after a thing, and can be read in one sitting."""

import ast

from tests.conventions.house import modules, text

MAX_LINES = 400
NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "base"}


def test_every_public_module_begins_with_a_docstring():
    silent = [str(path) for path in modules() if is_public(path.stem) and not ast.get_docstring(ast.parse(text(path)))]
    assert silent == []


def test_no_module_or_folder_has_a_name_that_says_nothing():
    names = {str(path): NAMES_THAT_SAY_NOTHING.intersection(words(path)) for path in modules()}
    assert [path for path, empty in names.items() if empty] == []


def test_no_module_is_longer_than_400_lines():
    lengths = {str(path): len(text(path).splitlines()) for path in modules()}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def is_public(name):
    return name == "__init__" or not name.startswith("_")


def words(path):
    return "_".join([*path.parts[:-1], path.stem]).lower().replace("-", "_").split("_")
