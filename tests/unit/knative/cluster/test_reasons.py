"""Every reason that a real cluster gave becomes a sentence with a remedy."""

import pytest

from intellyhub_knative.cluster.reasons import explain, explain_pod

QUOTA = 'pods "x" is forbidden: exceeded quota: z, requested: pods=1, used: pods=1, limited: pods=0'
MISSING = 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: queue-proxy,user-container'
SECURITY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'


@pytest.mark.parametrize(
    ("reason", "message", "ours", "said"),
    [
        (
            "ContainerMissing",
            'Unable to fetch image "r/i": failed to resolve',
            "ImageMissing",
            "failed to resolve. Check",
        ),
        ("ProgressDeadlineExceeded", "Initial scale was never achieved", "NotReadyInTime", "Look at the flow's log"),
        ("ExitCode3", "Container failed with: boom", "Crashed", "ended with code 3 when it was started: boom"),
        ("ExitCode137", "Container failed with: ", "OutOfMemory", "larger memory limit"),
        ("ExitCode128", 'Container failed with: exec: "/nope": stat /nope', "BadCommand", "stat /nope. Build"),
        ("FailedCreate", QUOTA, "QuotaExceeded", "exceeded quota: z, requested"),
        ("FailedCreate", MISSING, "ResourcesMissing", "LimitRange"),
        ("FailedCreate", SECURITY, "PodSecurity", "violates PodSecurity"),
        (
            "FailedCreate",
            'error looking up serviceaccount a/b: serviceaccount "b" not found',
            "ServiceAccountMissing",
            "b",
        ),
        ("FailedCreate", "something new", "PodRefused", "something new"),
        ("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu", "NoRoom", "Insufficient cpu. Add nodes"),
        ("SomethingNew", "that nobody knows", "SomethingNew", "that nobody knows"),
        ("", "", "Unknown", "no reason"),
    ],
)
def test_a_condition_is_explained(reason, message, ours, said):
    trouble = explain(reason, message)
    assert (trouble.reason, said in trouble.message) == (ours, True), trouble.message


def pod(**state):
    return {"status": {"containerStatuses": [state]}}


@pytest.mark.parametrize(
    ("status", "ours", "said"),
    [
        (pod(state={"waiting": {"reason": "ErrImagePull", "message": "not found"}}), "ImageMissing", "not found"),
        (pod(state={"waiting": {"reason": "InvalidImageName"}}), "ImageMissing", "no reason given"),
        (
            pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}}),
            "SecretMissing",
            'secret "s" not found',
        ),
        (
            pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": "image will run as root"}}),
            "ImageIsRoot",
            "engine image",
        ),
        (pod(state={"waiting": {"reason": "RunContainerError", "message": "exec: no"}}), "BadCommand", "exec: no"),
        (
            pod(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 3, "message": "boom"}},
            ),
            "Crashed",
            "code 3 when it was started: boom",
        ),
        (
            pod(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "OutOfMemory",
            "memory",
        ),
        (pod(state={"terminated": {"exitCode": 1}}), "Crashed", "code 1"),
        (
            {"status": {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}]}},
            "NoRoom",
            "0/3 nodes",
        ),
    ],
)
def test_a_pod_is_explained(status, ours, said):
    trouble = explain_pod(status)
    assert trouble is not None
    assert (trouble.reason, said in trouble.message) == (ours, True), trouble.message


@pytest.mark.parametrize(
    "status", [{}, pod(state={"running": {}}), pod(state={"waiting": {"reason": "ContainerCreating"}})]
)
def test_a_pod_that_only_takes_its_time_has_no_trouble(status):
    assert explain_pod(status, [{"type": "Normal", "reason": "Pulling", "message": "pulling"}]) is None


def test_what_a_cluster_says_is_cut_to_a_bearable_length():
    assert len(explain("FailedCreate", "x" * 100_000).message) < 1000
