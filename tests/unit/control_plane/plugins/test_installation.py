"""Installations are told in files that outlive whoever asked for them, and whoever was at them."""

import multiprocessing
import os

import pytest

from intellyhub_control_plane.plugins.installation import KEPT, InstallationState, LocalInstallations


@pytest.fixture
def installations(tmp_path):
    return LocalInstallations(folder=tmp_path / "installations")


def test_one_that_is_under_way_tells_its_steps(installations):
    with installations.begin("shout") as record:
        record.tell("fetching")
        found = installations.find(record.id)
        assert (found.what, found.state, [step.text for step in found.steps]) == (
            "shout",
            InstallationState.RUNNING,
            ["fetching"],
        )
        record.done("shout")
    found = installations.find(record.id)
    assert (found.state, found.plugin, found.fault) == (InstallationState.DONE, "shout", None)


def test_one_that_failed_says_why(installations):
    with installations.begin("shout") as record:
        record.failed("no such plugin")
    found = installations.find(record.id)
    assert (found.state, found.plugin, found.fault) == (InstallationState.FAILED, None, "no such plugin")


def begin_and_die(installations, end):
    with installations.begin("shout") as record:
        record.tell("resolving")
        end.send(record.id)
        os._exit(9)


def test_one_whose_process_is_gone_was_interrupted(installations):
    ours, end = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=begin_and_die, args=(installations, end))
    process.start()
    number = ours.recv()
    process.join()
    found = installations.find(number)
    assert (found.state, [step.text for step in found.steps]) == (InstallationState.INTERRUPTED, ["resolving"])


def test_a_line_that_is_half_written_is_not_there_yet(installations):
    with installations.begin("shout") as record:
        record.tell("one")
        with (installations.folder / f"{record.id}.jsonl").open("a") as file:
            file.write('{"at": "2026')
        assert [step.text for step in installations.find(record.id).steps] == ["one"]


def test_old_ones_are_forgotten_and_other_files_are_none(installations):
    numbers = []
    for _ in range(KEPT + 2):
        with installations.begin("shout") as record:
            numbers.append(record.id)
    assert installations.find(numbers[0]) is None
    assert installations.find(numbers[-1]) is not None
    (installations.folder.parent / "secret.jsonl").write_text("{}")
    assert installations.find("../secret") is None
