"""The commands as a client of a platform: what they ask, what they print, how they exit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.control_plane.cli.answers import FLOW, NOW, TEXT, page
from tests.unit.control_plane.cli.api_double import ApiDouble

RUN = {
    "id": "r1",
    "status": "succeeded",
    "output": {"message": "Hello Ada"},
    "duration_ms": 1.5,
    "end_state": "answer",
    "steps": 3,
    "error": None,
    "waiting_for": None,
    "wake_at": None,
}
WORKER = {
    "flow": {"id": "f" * 32, "slug": "hello", "name": "Hello"},
    "version": 3,
    "pid": 42,
    "state": "idle",
    "started_at": NOW,
    "in_flight": 0,
    "requests": 7,
    "memory_bytes": 6_100_000,
}


def test_a_login_keeps_an_api_token_for_its_owner_only_and_is_used_from_then_on(api, call, tmp_path):
    user = {"tenant": {"name": "Main"}}
    api.answers["POST", "/api/auth/login"] = 200, {"access_token": "jwt", "user": user}
    api.answers["POST", "/api/tokens"] = 201, {"id": "t1", "token": "ihub_secret"}
    code, out, err = call("login", api.url, "--email", "ada@example.org", "--password-stdin", given="pw with blanks\n")
    assert (code, err) == (0, "")
    assert out == f"logged in at {api.url} as ada@example.org, for Main\n"
    assert api.asked[0].document == {"email": "ada@example.org", "password": "pw with blanks"}
    kept = tmp_path / "config" / "intellyhub" / "logins.json"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    api.answers["GET", "/api/flows"] = page()
    call("flows")
    assert api.asked[-1].headers["authorization"] == "Bearer ihub_secret"
    api.answers["DELETE", "/api/tokens/t1"] = 204, None
    assert call("logout")[1] == f"logged out of {api.url}\n"
    assert "ihub_secret" not in kept.read_text()
    call("flows")
    assert "authorization" not in api.asked[-1].headers


def test_a_token_is_sent_to_the_platform_it_is_for_and_to_no_other(api, call, monkeypatch):
    other = ApiDouble()
    try:
        api.answers["POST", "/api/auth/login"] = 200, {"access_token": "jwt", "user": {"tenant": {"name": "Main"}}}
        api.answers["POST", "/api/tokens"] = 403, {"detail": "viewers make no tokens"}
        assert call("login", "--email", "a@b", "--password-stdin", given="pw\n")[0] == 0
        other.answers["GET", "/api/flows"] = page()
        call("flows", "--url", other.url)
        assert "authorization" not in other.asked[-1].headers
        api.answers["GET", "/api/flows"] = 302, None
        api.headers["Location"] = f"{other.url}/api/flows"
        asked = len(other.asked)
        call("flows")
        assert len(other.asked) == asked
    finally:
        other.close()


def test_wrong_words_are_told_as_such(api, call):
    api.answers["POST", "/api/auth/login"] = 401, {"detail": "no"}
    code, _, err = call("login", "--email", "a@b", "--password-stdin", given="wrong\n")
    assert code == 77
    assert "knows no such e-mail and password" in err
    assert "wrong" not in err


def test_nobody_to_ask_is_told_which_flag_to_use(call):
    assert call("login", "--email", "a@b")[0] == 2
    assert "--password-stdin" in call("login", "--email", "a@b")[2]


def test_who_is_not_logged_in_is_told_what_to_type(api, call):
    api.answers["GET", "/api/flows"] = 401, {"detail": "Missing Authorization Header"}
    code, _, err = call("flows")
    assert code == 77
    assert f"intellyhub login {api.url}" in err


def test_a_platform_that_does_not_run_is_told_with_what_to_type(call):
    code, out, err = call("flows", "--url", "http://127.0.0.1:1")
    assert (code, out) == (69, "")
    assert "no platform answers at http://127.0.0.1:1" in err
    assert "intellyhub up" in err


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://u:p@h", "http://h:x", "http://h/?q=1"])
def test_an_address_that_is_none_is_refused(call, url):
    code, _, err = call("flows", "--url", url)
    assert code == 2
    assert "is no address of a platform" in err


def test_another_server_at_that_address_is_told(api, call):
    api.answers["GET", "/api/flows"] = 200, b"<html>"
    code, _, err = call("flows")
    assert code == 69
    assert "no IntellyHub platform" in err


def test_a_new_flow_is_published_under_the_slug_of_its_name(api, call, flow_file):
    api.answers["POST", "/api/flows"] = 201, FLOW
    assert call("deploy", flow_file) == (0, "hello\t3\thttp://h/hooks/main/hello\n", "")
    assert api.asked[-1].document == {"name": "Hello", "yaml_content": TEXT, "slug": "hello"}


def test_a_known_flow_is_changed_as_it_was_seen(api, call, flow_file):
    api.headers["ETag"] = '"7"'
    api.answers["GET", "/api/flows/other"] = 200, FLOW
    api.answers["PUT", f"/api/flows/{FLOW['id']}"] = 200, FLOW
    code, out, _ = call("deploy", flow_file, "--name", "New name", "--slug", "other", "--json")
    assert (code, json.loads(out)["slug"]) == (0, "hello")
    assert api.asked[-1].document == {"name": "New name", "yaml_content": TEXT}
    assert api.asked[-1].headers["if-match"] == '"7"'


def test_a_faulty_flow_is_refused_as_the_checker_does_it(api, call, flow_file):
    fault = {
        "code": "unknown-target",
        "severity": "error",
        "message": "no state is called 'x'",
        "line": 3,
        "column": 3,
        "suggestion": None,
        "state": "a",
    }
    api.answers["POST", "/api/flows"] = 422, {"detail": "the flow cannot run", "problems": [fault]}
    code, out, err = call("deploy", flow_file)
    assert (code, out) == (2, "")
    assert f"{flow_file}:3:3: error: no state is called 'x' [unknown-target]" in err


def test_a_request_that_is_refused_names_every_fault(api, call, flow_file):
    errors = [{"location": "body.slug", "message": "must be lower case"}]
    api.answers["POST", "/api/flows"] = 422, {"detail": "the request is not valid", "errors": errors}
    code, _, err = call("deploy", flow_file, "--slug", "X")
    assert code == 2
    assert "body.slug: must be lower case" in err


@pytest.mark.parametrize(
    ("text", "name"),
    [("name: ' a b '\n", "a b"), ("states: {}\n", "flow"), ("name: 5\n", "flow"), ("{", "flow"), ("- 1\n", "flow")],
)
def test_a_flow_without_a_name_has_that_of_its_file(api, call, flow_file, text, name):
    Path(flow_file).write_text(text)
    api.answers["POST", "/api/flows"] = 201, FLOW
    call("deploy", flow_file)
    assert api.asked[-1].document["name"] == name


def test_flows_are_lines_of_columns_when_piped(api, call):
    api.answers["GET", "/api/flows"] = [
        (200, {"items": [FLOW], "next_cursor": "c"}),
        page({**FLOW, "slug": "bare", "listener": None, "last_run": None}),
    ]
    assert call("flows") == (0, "hello\t3\tsleeping\twebhook\tsucceeded\tHello\nbare\t3\tsleeping\t\t\tHello\n", "")
    assert api.asked[1].query["cursor"] == ["c"]


def test_ps_shows_each_worker_and_each_sleeping_flow(api, call):
    api.answers["GET", "/api/flows"] = page({**FLOW, "id": "e" * 32, "slug": "another"}, {**FLOW, "state": "running"})
    api.answers["GET", "/api/workers"] = page(WORKER, {**WORKER, "pid": 43, "memory_bytes": None})
    _, out, _ = call("ps")
    assert out.splitlines() == [
        f"hello\trunning\t42\tidle\t3\t{NOW}\t7\t6100000",
        f"hello\trunning\t43\tidle\t3\t{NOW}\t7\t",
        "another\tsleeping\t\t\t3\t\t\t",
    ]
    assert [len(flow["workers"]) for flow in json.loads(call("ps", "--json")[1])] == [2, 0]


def test_an_invocation_prints_the_answer_and_nothing_else_on_standard_output(api, call):
    api.answers["POST", "/api/flows/hello/execute"] = 200, RUN
    code, out, err = call("invoke", "hello", "--var", "n=3", "--event", "-", given='{"name": "Ada"}')
    assert (code, json.loads(out)) == (0, {"message": "Hello Ada"})
    assert err == "succeeded at answer  steps 3  1.5 ms  run r1\n"
    assert api.asked[-1].document == {"variables": {"n": 3}, "event": {"name": "Ada"}, "wait_seconds": 60.0}


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("failed", 1), ("waiting", 75), ("cancelled", 130)])
def test_the_status_of_the_run_is_the_exit_code(api, call, status, code):
    waiting = {"kind": "approval", "question": "Go on?", "event": None} if status == "waiting" else None
    api.answers["POST", "/api/flows/hello/execute"] = 200, {**RUN, "status": status, "waiting_for": waiting}
    answer = call("invoke", "hello")
    assert answer[0] == code
    assert ("waits for approval: Go on?" in answer[2]) == (status == "waiting")


def test_a_run_that_takes_longer_is_asked_for_again(api, call, monkeypatch):
    monkeypatch.setattr("intellyhub_control_plane.cli.invoke.PAUSE_SECONDS", 0.01)
    api.answers["POST", "/api/flows/hello/execute"] = 202, {"run_id": "r1", "status_url": "/api/runs/r1"}
    api.answers["GET", "/api/runs/r1"] = [(200, {**RUN, "status": "running"}), (200, RUN)]
    assert call("invoke", "hello", "--wait", "100")[0] == 0
    assert api.asked[0].document["wait_seconds"] == 60.0


def test_who_does_not_wait_gets_the_run_and_where_to_look(api, call):
    api.answers["POST", "/api/flows/hello/execute"] = 202, {"run_id": "r1", "status_url": "/api/runs/r1"}
    assert call("invoke", "hello", "--wait", "0") == (0, "r1\n", f"it runs; see: {api.url}/runs/r1\n")


@pytest.mark.parametrize("event", ["[1]", "{", '"x"'])
def test_an_event_that_is_no_object_is_refused_before_anything_is_asked(api, call, event):
    assert call("invoke", "hello", "--event", "-", given=event)[0] == 2
    assert api.asked == []


def test_an_unknown_flow_is_not_found(call):
    code, _, err = call("describe", "nowhere")
    assert code == 66
    assert "nothing at /api/flows/nowhere" in err


def test_a_name_is_one_part_of_a_path(api, call):
    call("describe", "../auth/me?x=1")
    assert api.asked[-1].path == "/api/flows/..%2Fauth%2Fme%3Fx%3D1"


def test_describe_tells_state_addresses_versions_and_runs(api, call):
    versions = [
        {"version": number, "created_at": NOW, "created_by": "ada@example.org", "current": number == 3}
        for number in (3, 2)
    ]
    api.answers["GET", "/api/flows/hello"] = 200, dict(FLOW)
    api.answers["GET", "/api/flows/hello/versions"] = page(*versions)
    api.answers["GET", "/api/runs"] = page({**RUN, "started_at": NOW, "error": "the\nend"})
    code, out, _ = call("describe", "hello")
    assert code == 0
    for shown in (
        "Hello (hello)",
        "sleeping",
        "http://h/hooks/main/hello",
        "webhook (path: /hello)",
        "  * 3 ",
        "the end",
    ):
        assert shown in out
    assert api.asked[-1].query["flow"] == [FLOW["id"]]


def test_a_rollback_goes_to_the_version_before_the_current_one(api, call):
    versions = [{"version": number, "current": number == 4} for number in (5, 4, 2, 1)]
    api.answers["GET", "/api/flows/hello/versions"] = page(*versions)
    api.answers["POST", "/api/flows/hello/versions/2/rollback"] = 200, {**FLOW, "version": 2}
    assert call("rollback", "hello")[:2] == (0, "hello is back at version 2\n")
    api.answers["GET", "/api/flows/hello/versions"] = page({"version": 1, "current": True})
    code, _, err = call("rollback", "hello")
    assert code == 2
    assert "no version before 1" in err


ON_CLUSTER = {
    "state": "ready",
    "message": "",
    "routed": {"v3": 10, "v2": 90},
    "rollout": {"version": 3, "stable": 2, "percent": 10, "phase": "running", "message": ""},
}


def test_a_rollout_is_shown_changed_and_ended(api, call):
    api.answers["GET", "/api/flows/hello"] = 200, {**FLOW, "deployment": ON_CLUSTER}
    for action in ("rollout", "promote", "versions/2/rollback"):
        api.answers["POST", f"/api/flows/hello/{action}"] = 200, {**FLOW, "version": 2 if "back" in action else 3}
    assert call("rollout", "hello")[:2] == (0, "hello: version 3 gets 10 %, version 2 the rest\n")
    shown = call("rollout", "hello", "--percent", "40", "--step", "20", "--interval", "300")
    assert shown[:2] == (0, "hello: version 3 gets 40 % of the requests\n")
    assert api.asked[-1].document == {"percent": 40, "step": 20, "interval_seconds": 300.0}
    assert call("rollout", "hello", "--promote")[:2] == (0, "hello: version 3 gets everything\n")
    assert call("rollout", "hello", "--back")[:2] == (0, "hello is back at version 2\n")


@pytest.mark.parametrize("wrong", [["--percent", "5", "--back"], ["--step", "5"], ["--promote", "--back"]])
def test_what_contradicts_itself_in_a_rollout_is_refused_before_anything_is_asked(api, call, wrong):
    assert call("rollout", "hello", *wrong)[0] == 2
    assert api.asked == []


def test_there_is_nothing_to_go_back_to_where_no_rollout_is_on(api, call):
    api.answers["GET", "/api/flows/hello"] = 200, {**FLOW, "deployment": None}
    assert call("rollout", "hello")[:2] == (0, "hello: no rollout is on\n")
    code, _, err = call("rollout", "hello", "--back")
    assert (code, "intellyhub rollback hello" in err) == (2, True)


def test_what_the_cluster_says_of_a_flow_is_in_ps_and_in_describe(api, call):
    broken = {**ON_CLUSTER, "state": "failing", "message": "no node has room. Add nodes.", "rollout": None}
    flows = [{**FLOW, "deployment": ON_CLUSTER}, {**FLOW, "slug": "zbroken", "deployment": broken}]
    api.answers["GET", "/api/flows"] = page(*flows)
    api.answers["GET", "/api/workers"] = page()
    lines = call("ps")[1].splitlines()
    assert lines[0].split("\t")[3] == "version 3 gets 10 %, version 2 the rest"
    assert lines[1].split("\t")[3] == "failing: no node has room. Add nodes."
    api.answers["GET", "/api/flows/hello"] = 200, flows[0]
    api.answers["GET", "/api/flows/hello/versions"] = api.answers["GET", "/api/runs"] = page()
    out = call("describe", "hello")[1]
    assert "ready: requests go to v2 90 %, v3 10 %" in out
    assert "version 3 gets 10 %" in out


def test_a_new_version_can_be_published_with_a_part_of_the_requests(api, call, flow_file):
    api.answers["GET", "/api/flows/greeter"] = 200, FLOW
    api.answers["PUT", f"/api/flows/{FLOW['id']}"] = 200, FLOW
    assert call("deploy", flow_file, "--slug", "greeter", "--rollout", "10")[0] == 0
    assert api.asked[-1].document["rollout"] == {"percent": 10}
    assert call("deploy", flow_file, "--rollout", "10", "--watch")[0] == 2


def test_a_deletion_needs_a_person_or_a_flag(api, call):
    api.answers["GET", "/api/flows/hello"] = 200, FLOW
    api.answers["DELETE", f"/api/flows/{FLOW['id']}"] = 204, None
    code, _, err = call("delete", "hello")
    assert (code, "--yes" in err) == (2, True)
    assert [asked.method for asked in api.asked] == ["GET"]
    assert call("delete", "hello", "--yes")[:2] == (0, "hello is deleted\n")


def test_what_is_no_platform_is_called_so_and_a_given_token_is_named(api, call, monkeypatch):
    api.answers["GET", "/api/flows"] = 501, b"<html>Unsupported method</html>"
    code, _, err = call("flows")
    assert code == 69
    assert f"what answers at {api.url} is no IntellyHub platform" in err
    api.answers["GET", "/api/flows"] = 401, {"detail": "the token is of another house"}
    assert f"Log in with: intellyhub login {api.url}" in call("flows")[2]
    monkeypatch.setenv("INTELLYHUB_TOKEN", "old")
    assert "The token comes from INTELLYHUB_TOKEN" in call("flows")[2]
    assert "The token comes from --token" in call("flows", "--token", "x")[2]


def test_a_watched_flow_is_published_at_every_change_and_a_fault_waits_for_the_next_one(api, tmp_path, flow_file):
    fault = {"code": "x", "severity": "error", "message": "it is wrong", "line": 1, "column": 1}
    api.answers["POST", "/api/flows"] = [
        (201, FLOW),
        (422, {"detail": "the flow cannot run", "problems": [fault]}),
        (201, {**FLOW, "version": 4}),
    ]
    # Who started the tests in the background has SIGINT ignored, and programs started from there too.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    called = "import sys; from intellyhub_engine.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", f"{heard}; {called}", "deploy", flow_file, "--watch", "--url", api.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("hello\t3")
            replace(flow_file, tmp_path)
            shown = [process.stdout.readline() for _ in range(2)]
            assert "it is wrong" in "".join(shown)
            replace(flow_file, tmp_path)
            assert process.stdout.readline().startswith("hello\t4")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()


def replace(path, folder):
    """As editors do it."""
    (folder / "new").write_text(TEXT)
    (folder / "new").replace(path)
