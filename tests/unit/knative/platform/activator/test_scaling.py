"""Whether one more worker is started."""

import pytest

from intellyhub_knative.platform.activator.scaling import Standing, Verdict, judge

ALONE = Standing(coming=0, free=0, busy=0, max_scale=3, tenant_workers=0, max_pods=5)
CROWDED = ALONE._replace(tenant_workers=5)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (ALONE, Verdict.START),
        (ALONE._replace(coming=1, tenant_workers=1), Verdict.PATIENCE),
        (ALONE._replace(free=1, tenant_workers=1, patient=True), Verdict.PATIENCE),
        (ALONE._replace(busy=1, tenant_workers=1), Verdict.PATIENCE),
        (ALONE._replace(busy=1, tenant_workers=1, patient=True), Verdict.START),
        (ALONE._replace(busy=3, tenant_workers=3, patient=True), Verdict.FULL),
        (ALONE._replace(max_scale=0, max_pods=0), Verdict.START),
        (CROWDED, Verdict.FULL),
        (CROWDED._replace(idle_elsewhere=True), Verdict.EVICT),
        (CROWDED._replace(idle_elsewhere=True, ending=True), Verdict.FULL),
        (CROWDED._replace(busy=1, patient=True, idle_elsewhere=True), Verdict.EVICT),
        (CROWDED._replace(can_yield=True), Verdict.YIELD),
        (CROWDED._replace(busy=1, patient=True, can_yield=True), Verdict.FULL),
    ],
)
def test_the_verdict(facts, verdict):
    assert judge(facts) is verdict
