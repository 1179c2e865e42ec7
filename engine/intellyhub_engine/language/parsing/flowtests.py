"""The `tests:` block: what must come out of which event."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.language.model import FlowTest
from intellyhub_engine.language.parsing.findings import Findings
from intellyhub_engine.language.problems import ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["STATUSES", "TEST_KEYS", "read_tests"]

TEST_KEYS = ("name", "event", "variables", "mocks", "expect")
EXPECT_KEYS = ("path", "variables", "status")
FLAT_KEYS = {"expected_path": "path", "expected_variables": "variables", "expected_status": "status"}
STATUSES = ("succeeded", "failed", "waiting", "cancelled")


def read_tests(root: dict[Any, Any], findings: Findings) -> tuple[FlowTest, ...]:
    """A list of tests, or a mapping of name to test."""
    tests = root.get("tests")
    if tests is None:
        return ()
    if isinstance(tests, dict):
        named = [(findings.document.key_text(tests, key), key) for key in tests]
    elif isinstance(tests, list):
        named = [(f"test {index + 1}", index) for index in range(len(tests))]
    else:
        findings.wrong(root, "tests", "'tests'", "a list of tests")
        return ()
    read = (_read_test(name, tests, key, findings) for name, key in named)
    return tuple(test for test in read if test is not None)


def _read_test(name: str, tests: Any, key: Any, findings: Findings) -> FlowTest | None:
    test = findings.mapping(tests, key, f"'{name}'")
    if test is None:
        return None
    expect = {FLAT_KEYS[flat]: (test, flat) for flat in FLAT_KEYS if flat in test}
    if test.get("expect") is not None:
        written = findings.mapping(test, "expect", "'expect'") or {}
        expect.update({field: (written, field) for field in written})
        _report_unknown(written, EXPECT_KEYS, "'expect'", findings)
    _report_unknown(test, (*TEST_KEYS, *FLAT_KEYS, "mock", "description"), f"'{name}'", findings)
    mocks = "mocks" if "mocks" in test else "mock"
    return FlowTest(
        name=findings.text(test, "name", "'name'") or name if "name" in test else name,
        event=test.get("event"),
        variables=_mapping(test, "variables", findings),
        mocks=_mapping(test, mocks, findings),
        expected_path=_path(expect, findings),
        expected_variables=_mapping(*expect["variables"], findings) if "variables" in expect else {},
        expected_status=_status(expect, findings),
        position=findings.document.position_of(tests, key),
    )


def _mapping(container: dict[Any, Any], key: str, findings: Findings) -> dict[str, Any]:
    if container.get(key) is None:
        return {}
    written = findings.mapping(container, key, f"'{key}'") or {}
    return {findings.document.key_text(written, name): value for name, value in written.items()}


def _path(expect: dict[Any, tuple[Any, Any]], findings: Findings) -> tuple[str, ...] | None:
    return findings.texts(*expect["path"], "'path'") if "path" in expect else None


def _status(expect: dict[Any, tuple[Any, Any]], findings: Findings) -> str:
    if "status" not in expect:
        return "succeeded"
    container, key = expect["status"]
    status = findings.text(container, key, "'status'") or "succeeded"
    if status not in STATUSES:
        findings.error(
            ProblemCode.NOT_A_CHOICE,
            f"{status!r} is no status of a run",
            findings.document.position_of(container, key),
            expected=", ".join(STATUSES),
            suggestion=did_you_mean(status, STATUSES),
        )
    return status


def _report_unknown(written: dict[Any, Any], known: tuple[str, ...], what: str, findings: Findings) -> None:
    for key in written:
        if key not in known:
            findings.warn(
                ProblemCode.UNKNOWN_KEY,
                f"{what} has no {key!r}",
                findings.document.key_position(written, key),
                expected=", ".join(known),
                suggestion=did_you_mean(str(key), known),
            )
