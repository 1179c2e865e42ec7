"""Runs from the command line: start, wait, resume, replay, fork, list."""

from __future__ import annotations

import json
import re
import subprocess
import time

from tests.integration.cli.calls import COMMAND, COUNT, call, call_json, states_of

ANSWER_KEYS = ["run_id", "status", "end_state", "error", "steps", "variables", "log"]


STEP_KEYS = ["seq", "state", "type", "attempt", "status", "next", "started_at", "duration_ms"]


def test_the_json_of_a_run_is_the_documented_object(folder):
    answer = call_json("run", "count.yaml", "--var", "limit=1")
    assert list(answer) == ANSWER_KEYS
    assert all(list(step) == STEP_KEYS for step in answer["steps"])
    assert (answer["status"], answer["end_state"], answer["error"]) == ("succeeded", "done", None)
    assert [(s["seq"], s["state"], s["next"]) for s in answer["steps"]] == [
        (1, "more", "add"),
        (2, "add", "more"),
        (3, "more", "done"),
        (4, "done", None),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer["steps"][0]["started_at"])
    assert answer["variables"] == {"limit": 1, "n": 1}
    assert [line["message"] for line in answer["log"]] == ["n is 1"]


def test_piped_output_is_the_log_and_one_line(folder):
    done = call("run", "count.yaml")
    assert done.stdout.splitlines()[:3] == ["n is 1", "n is 2", "n is 3"]
    assert re.fullmatch(r"succeeded at done  steps 8  run [0-9a-f]{32}", done.stdout.splitlines()[3])
    assert done.stderr == ""


def test_verbose_shows_every_step_when_piped(folder):
    assert call("run", "count.yaml", "-v").stdout.count(" set ") == 3


def test_a_failed_run_exits_with_1_and_says_why(folder):
    (folder / "f.yaml").write_text("states:\n  a: {state_type: assert, condition: '1 > 2', message: not so}\n")
    done = call("run", "f.yaml", code=1)
    assert "not so" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("failed at a")


def test_a_flow_can_come_through_a_pipe(folder):
    assert call("run", "-", stdin=COUNT).stdout.startswith("n is 1")


def test_the_event_of_a_listener_is_sampled_and_said_so(folder):
    done = call("run", "news.yaml")
    assert "sample event of the rss listener" in done.stderr
    assert (folder / "titles.txt").read_text().strip()


def test_one_cloudevent_makes_one_run(folder):
    event = {"specversion": "1.0", "id": "7", "source": "/test", "type": "t", "data": {"title": "once"}}
    (folder / "e.json").write_text(json.dumps(event))
    first = call_json("run", "news.yaml", "--event", "e.json")
    second = call_json("run", "news.yaml", "--event", "e.json")
    assert first["run_id"] == second["run_id"]
    assert (folder / "titles.txt").read_text() == "once\n"


def test_a_wait_exits_with_75_and_goes_on_in_another_process(folder):
    waiting = call_json("run", "approval.yaml", code=75)
    assert (waiting["status"], waiting["end_state"]) == ("waiting", waiting["end_state"])
    (folder / "approval.yaml").unlink()  # the text is kept beside the journal
    answer = call_json("resume", waiting["run_id"], "--approve")
    assert (answer["run_id"], answer["status"], answer["end_state"]) == (waiting["run_id"], "succeeded", "yes_state")
    assert states_of(answer).count("ask") == 1


def test_a_rejected_run_takes_the_other_way(folder):
    run = call_json("run", "approval.yaml", code=75)["run_id"]
    assert call_json("resume", run, "--reject", code=1)["error"] == "rejected"


def test_resume_without_a_run_takes_all_that_are_due(folder):
    (folder / "w.yaml").write_text(
        "states:\n  w: {state_type: wait, seconds: 1.1, transition: d}\n  d: {state_type: end}\n"
    )
    runs = [call_json("run", "w.yaml", code=75)["run_id"] for _ in range(2)]
    time.sleep(1.3)
    assert call("resume").stdout.count("succeeded at d") == 2
    assert {row["run_id"] for row in call_json("runs", "--status", "succeeded")} == set(runs)
    assert "nothing is due" in call("resume").stderr


def test_an_event_wakes_the_run_that_waits_for_it(folder):
    (folder / "w.yaml").write_text(
        "states:\n  w: {state_type: wait, event: {type: paid, subject: '7'}, output: paid, transition: d}\n"
        "  d: {state_type: end}\n"
    )
    run = call_json("run", "w.yaml", code=75)["run_id"]
    for subject in ("8", "7"):
        event = {
            "specversion": "1.0",
            "id": subject,
            "source": "/s",
            "type": "paid",
            "subject": subject,
            "data": {"eur": 5},
        }
        (folder / f"{subject}.json").write_text(json.dumps(event))
    assert "nothing is due" in call("resume", "--event", "8.json").stderr
    answer = call_json("resume", "--event", "7.json")
    assert (answer["run_id"], answer["status"], answer["variables"]["paid"]["data"]) == (run, "succeeded", {"eur": 5})


def test_without_a_journal_nothing_is_kept(folder):
    assert call("run", "count.yaml", "--journal", "none").returncode == 0
    assert not (folder / "state").exists()


def test_replay_runs_again_and_fork_from_one_step(folder):
    first = call_json("run", "count.yaml")
    again = call_json("replay", first["run_id"], "--var", "limit=1")
    assert (again["variables"]["n"], again["run_id"] != first["run_id"]) == (1, True)
    forked = call_json("fork", first["run_id"], "3", "--var", "n=2")
    assert forked["variables"]["n"] == 3
    assert states_of(forked)[-4:] == ["more", "add", "more", "done"]
    copies = [row["copied_from"] for row in call_json("runs")]
    assert copies == [{"run_id": first["run_id"], "seq": 3}, {"run_id": first["run_id"], "seq": 0}, None]


def test_fork_takes_a_corrected_text(folder):
    run = call_json("run", "count.yaml")["run_id"]
    (folder / "fixed.yaml").write_text(COUNT.replace("n is {n}", "corrected {n}"))
    assert "corrected 1" in call("fork", run, "2", "--flow", "fixed.yaml").stdout


def test_runs_are_listed_newest_first_as_columns(folder):
    for name in ("count.yaml", "news.yaml"):
        call("run", name)
    rows = [line.split("\t") for line in call("runs").stdout.splitlines()]
    assert [(row[1], row[2]) for row in rows] == [("succeeded", "News"), ("succeeded", "Count")]
    assert [row[2] for row in (line.split("\t") for line in call("runs", "--flow", "Count").stdout.splitlines())] == [
        "Count"
    ]


def test_one_run_is_shown_with_its_event_and_steps(folder):
    run = call_json("run", "news.yaml")["run_id"]
    details = call_json("runs", "show", run)
    assert details["event"]["type"] == "io.intellyhub.rss.article"
    assert [step["state"] for step in details["steps"]] == ["note"]
    shown = call("runs", "show", run).stdout
    assert "News" in shown
    assert "note" in shown


def test_a_run_that_waits_for_its_branches_shows_what_each_of_them_asks(folder):
    branches = "{a: [{type: wait, approval: Ship it?}], b: [{type: set, values: {x: 1}}]}"
    (folder / "fan.yaml").write_text(f"states:\n  fan: {{state_type: parallel, branches: {branches}}}\n")
    done = call("run", "fan.yaml", code=75)
    assert "waiting for its child runs" in done.stderr
    run = call_json("runs", "--status", "waiting")[0]["run_id"]
    assert f"{run}.1.a waiting for a decision: Ship it?" in call("runs", "show", run).stdout
    assert "succeeded at fan" in call("resume", f"{run}.1.a", "--approve").stdout


def test_an_interrupted_run_is_told_of_until_its_lease_ends(folder):
    (folder / "slow.yaml").write_text("states:\n  a: {state_type: command, command: echo begun; sleep 30}\n")
    slow = subprocess.Popen([COMMAND, "run", "slow.yaml", "--verbose"], stdout=subprocess.PIPE, text=True)
    assert slow.stdout is not None
    assert "begun" in slow.stdout.readline()
    slow.kill()
    slow.wait()
    slow.stdout.close()
    assert "nothing is due; 1 run is at work" in call("resume").stderr


def test_a_waiting_run_can_be_cancelled(folder):
    run = call_json("run", "approval.yaml", code=75)["run_id"]
    assert "asked to stop" in call("runs", "cancel", run).stdout
    assert call_json("runs")[0]["status"] == "cancelled"
    assert "already ended" in call("runs", "cancel", run, code=1).stdout


def test_secrets_of_an_env_file_are_masked_and_never_journalled(folder):
    (folder / ".env").write_text("API_TOKEN=hunter2-secret\nPLACE=Turin\n")
    (folder / "s.yaml").write_text(
        "states:\n"
        "  a: {state_type: set, values: {header: 'Bearer {API_TOKEN}', place: '{PLACE}'}, log: '{header} {place}'}\n"
    )
    done = call("run", "s.yaml", "--env-file", ".env", "--json")
    assert "hunter2" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["variables"]["place"] == "Turin"
    assert json.loads(done.stdout)["log"][0]["message"] == "Bearer *** Turin"


def test_a_called_flow_is_found_beside_its_caller(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "child.yaml").write_text("states:\n  a: {state_type: end, result: '{2 * x}'}\n")
    (folder / "sub" / "caller.yaml").write_text(
        "states:\n  c: {state_type: call, flow: child, input: {x: 21}, output: answer}\n"
    )
    assert call_json("run", "sub/caller.yaml")["variables"]["answer"] == 42
