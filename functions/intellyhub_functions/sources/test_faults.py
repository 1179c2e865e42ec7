"""What is wrong with a listener is told when its flow is checked, at its own line."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.load import examine
from intellyhub_functions.testing.surroundings import configured

LISTENERS = [
    ("type: webhook\nsecret: '{S}'\nsignature: githup", 4, "'githup' is none of", "did you mean 'github'?"),
    ("type: webhook\nsignature: github", 3, "needs the `secret`", None),
    ("type: webhook\nsecret: '{S}'\nsignature: {heder: x}", 4, "'heder' is none of", None),
    ("type: webhook\nsecret: ''", 3, "the secret is empty", None),
    ("type: webhook\nsecret:", 3, "the secret is empty", None),
    ("type: webhook\nallowed_ips:\n  - 10.0.0.0/8\n  - 10.0.0.0/99", 5, "10.0.0.0/99", None),
    ("type: webhook\nmethods: [FOO, post]", 3, "'FOO' is none of", None),
    ("type: webhook\nmethods: [pots]", 3, "'pots' is none of", "did you mean 'POST'?"),
    ('type: schedule\ncron: "61 * * * *"', 3, "names no times", None),
    ('type: schedule\ncron: "* * *"', 3, "five fields", None),
    ("type: schedule\nevery: 5m\ntimezone: Europe/Romme", 4, "not one such as", "did you mean 'Europe/Rome'?"),
    ("type: schedule\nevery: often", 3, "not an interval", None),
    ("type: schedule\nevery: 5m\ncron: '@daily'", 3, "either cron or every", None),
    ("type: schedule", 1, "either cron or every", None),
    ("type: directory\nevents: [created, modifed]", 3, "'modifed'", "did you mean 'modified'?"),
    ("type: event", 1, "does not say which events", None),
    ("type: event\nfilter: {my_type: x}", 3, "cannot be an attribute", None),
    ("type: event\nfilters: {exact: {}}", 3, "names no attribute", None),
    ("type: event\nfilters:\n  - exact: {type: a}\n  - prefx: {type: a}", 5, "no dialect", "did you mean 'prefix'?"),
    ("type: s3", 1, "watches a bucket, or a queue_url", None),
    ("type: s3\nbucket: b\nevents: [created, moved]", 4, "'moved'", "did you mean 'removed'?"),
    ("type: s3\nbucket: b\nevents: remvoed", 4, "'remvoed'", "did you mean 'removed'?"),
    ("type: s3\nqueue_url: orders", 3, "not the address of a queue", None),
    ("type: sqs\nqueue_url: orders", 3, "not the address of a queue", None),
    ("type: sqs\nqueue_url: 'https://sqs.eu-south-1.amazonaws.com'", 3, "not the address of a queue", None),
    ("type: postgres\nurl: mysql://a/b", 3, "not a PostgreSQL address", None),
    ("type: postgres\nurl: postgresql:///shop", 3, "names no host", None),
    ("type: postgres\nurl: '{U}'\nchannel: " + "x" * 64, 4, "longer than the 63 bytes", None),
    ("type: email\nfilter: subjct:lead", 3, "'subjct'", "did you mean 'subject'?"),
    ("type: mqtt\ntopic: a/#/b", 3, "# has to be the last level", None),
    ("type: mqtt\ntopic: [a, 'b+']", 3, "+ has to be all of a level", None),
    ("type: event\nfilters:\n  - not:\n      any:\n        - suffix: {type: ''}", 6, "is empty", None),
]
FINE = [
    "type: webhook\nsecret: '{S}'\nsignature: '{STYLE}'\nallowed_ips: ['{HOME}']\nmethods: [post, GET]",
    "type: webhook\nallowed_ips: 10.0.0.0/8, 127.0.0.1\nmethods: POST, put",
    "type: webhook\nsecret: '{S}'\nsignature: {header: X-Sign, algorithm: sha512}",
    "type: schedule\ncron: '{WHEN}'\ntimezone: Europe/Rome",
    "type: schedule\nevery: '{PAUSE}'",
    "type: schedule\ncron: '*/20 0 * * * *'",
    "type: directory\npath: inbox\nfile_patterns: '*.{csv,xlsx}'\nevents: created, deleted",
    "type: directory\npath: '{FOLDER}'",
    "type: event\nfilters:\n  - any: [{exact: {type: a}}, {prefix: {type: b.}}]",
    "type: event\nfilter: {type: ''}",
    "type: s3\nbucket: '{B}'",
    "type: s3\nqueue_url: '{Q}'\nevents: created, removed",
    "type: sqs\nqueue_url: '{Q}'",
    "type: sqs\nqueue_url: http://localhost:4566/1/q",
    "type: postgres\nurl: '{U}'",
    "type: postgres\nurl: postgresql://me@db.example.org/shop\ntable: app.outbox",
    "type: mqtt\ntopic: '{TOPIC}'",
    "type: mqtt\ntopic: [a, b/+/#]",
]


def problems_of(listener):
    body = listener.replace("\n", "\n  ")
    return examine(f"listener:\n  {body}\nstates: {{a: {{state_type: end}}}}", installed())[1]


@pytest.mark.parametrize(("listener", "line", "message", "suggestion"), LISTENERS)
def test_what_can_never_be_meant_is_an_error_at_its_line(listener, line, message, suggestion):
    [problem] = problems_of(listener)
    assert (problem.severity, problem.position.line, problem.suggestion) == ("error", line, suggestion)
    assert message in problem.message


@pytest.mark.parametrize("listener", FINE)
def test_what_is_right_or_not_known_yet_is_no_fault(listener):
    assert problems_of(listener) == ()


def test_every_fault_of_a_list_of_filters_is_a_problem_of_its_own():
    problems = problems_of("type: event\nfilters:\n  - prefx: {type: a}\n  - exact: {}\n  - any: []")
    assert [problem.position.line for problem in problems] == [4, 5, 6]


@pytest.mark.parametrize("path", ["/etc", "../etc", "inbox/../../etc"])
def test_a_folder_outside_the_workspace_is_a_warning_unless_the_installation_names_it(path):
    [problem] = problems_of(f"type: directory\npath: {path}")
    assert (problem.severity, problem.position.line) == ("warning", 3)
    with configured(INTELLYHUB_DIRECTORIES="/etc"):
        assert len(problems_of(f"type: directory\npath: {path}")) == (0 if path == "/etc" else 1)
