"""Every kind of manifest, whole, as it was when somebody last read it beside Knative's documentation."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest
import yaml

from intellyhub_knative.cluster.kinds import kind_of, order_of
from tests.unit.knative.manifests.cases import CASES
from tests.unit.knative.manifests.kubernetes_rules import judge

GOLDEN = Path(__file__).parent / "golden"
RENEW = "INTELLYHUB_RENEW_GOLDEN"


@pytest.mark.parametrize("case", CASES)
def test_a_manifest_is_what_was_reviewed(case):
    path = GOLDEN / f"{case}.yaml"
    made = yaml.safe_dump_all(CASES[case](), sort_keys=False, width=120)
    if os.environ.get(RENEW):
        path.write_text(made)
    kept = path.read_text()
    if made != kept:
        diff = "".join(difflib.unified_diff(kept.splitlines(True), made.splitlines(True), "reviewed", "made"))
        pytest.fail(
            f"{path.name} differs. Read this; if it is right, renew it with {RENEW}=1 pytest {__file__}\n{diff}"
        )


@pytest.mark.parametrize("case", CASES)
def test_a_manifest_passes_knative_kubernetes_and_pod_security(case):
    faults = [(manifest["kind"], fault) for manifest in CASES[case]() for fault in judge(manifest)]
    assert not faults


@pytest.mark.parametrize("case", CASES)
def test_the_deployer_knows_every_kind_and_its_order(case):
    manifests = CASES[case]()
    for manifest in manifests:
        kind_of(manifest)
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "ih-acme-01234567"
    if case.startswith("tenant"):
        assert [order_of(manifest) for manifest in manifests] == sorted(map(order_of, manifests))


@pytest.mark.parametrize("case", CASES)
def test_the_same_record_gives_the_same_manifest(case):
    """Else every pass of the reconciler would make a new revision."""
    assert CASES[case]() == CASES[case]()


def test_no_golden_file_is_left_behind():
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)
