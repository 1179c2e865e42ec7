"""Which addresses flows may connect to, in each of their spellings."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_functions.network.reach import is_allowed
from intellyhub_functions.settings import Reach

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]
INNER = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "::1",
    "fd12::1",
    "0.0.0.0",
    "100.64.0.1",
    "::ffff:10.0.0.1",
]
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_are_refused_in_every_spelling(address):
    assert not is_allowed(address, Reach.NO_METADATA)
    assert not is_allowed(address, Reach.PUBLIC)
    assert is_allowed(address, Reach.ANY)


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses_are_refused_only_where_the_public_internet_is_all_there_is(address):
    assert is_allowed(address, Reach.NO_METADATA)
    assert not is_allowed(address, Reach.PUBLIC)


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("reach", list(Reach))
def test_public_addresses_are_allowed(address, reach):
    assert is_allowed(address, reach)


def test_groups_are_not_the_public_internet():
    assert not is_allowed("224.0.0.1", Reach.PUBLIC)
