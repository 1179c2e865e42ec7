"""What watchers must not see."""

from intellyhub_knative.platform.gateway.concealment import Concealment
from intellyhub_knative.platform.gateway.freshness import Present
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.seal import seal
from intellyhub_knative.platform.tenants import Tenant, write_tenant

KEYS = Keys(b"k" * 32)
FLOW = f"{'a' * 32}/{'f' * 32}"


def write(layout, **secrets):
    sealed = {name: seal(value, KEYS) for name, value in secrets.items()}
    write_tenant(layout.tenants, Tenant(tenant_id="a" * 32, slug="acme", max_pods=1, sealed_secrets=sealed))


def test_a_secret_is_known_to_the_first_who_asks_and_a_new_one_to_the_next(tmp_path):
    layout = Layout(data=tmp_path)
    write(layout, PASSWORD="hunter22")
    concealment = Concealment(Present(layout), KEYS)
    assert concealment.secrets_of(FLOW) == {"hunter22"}
    write(layout, PASSWORD="hunter22", TOKEN="t0ken")
    assert concealment.secrets_of(FLOW) == {"hunter22", "t0ken"}


def test_tenants_have_secrets_of_their_own(tmp_path):
    layout = Layout(data=tmp_path)
    write(layout, PASSWORD="hunter22")
    assert concealed(layout, f"{'b' * 32}/x") == frozenset()


def concealed(layout, flow, keys=KEYS):
    return Concealment(Present(layout), keys).secrets_of(flow)


def test_what_no_flow_can_open_is_no_secret(tmp_path):
    layout = Layout(data=tmp_path)
    write(layout, PASSWORD="hunter22")
    assert concealed(layout, FLOW, Keys(b"x" * 32)) == frozenset()
