"""Which addresses a flow may connect to."""

from __future__ import annotations

import functools
import ipaddress

from intellyhub_functions.settings import Reach

__all__ = ["is_allowed"]

METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",  # https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
        "168.63.129.16",  # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "192.0.0.192",  # Oracle Cloud, older images
        "fd00:ec2::254",  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
        "fd20:ce::254",  # https://cloud.google.com/compute/docs/metadata/querying-metadata
    )
)
"""Metadata services outside the link-local ranges 169.254.0.0/16 and fe80::/10."""


@functools.lru_cache(maxsize=1024)
def is_allowed(address: str, reach: Reach) -> bool:
    """Whether a connection to this address is allowed. An IPv4 address inside an IPv6 one counts as itself."""
    if reach is Reach.ANY:
        return True
    plain = unwrap(ipaddress.ip_address(address.partition("%")[0]))
    if plain in METADATA or plain.is_link_local:
        return False
    return reach is Reach.NO_METADATA or (plain.is_global and not plain.is_multicast)


def unwrap(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that a mapped, 6to4 or NAT64 address carries, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    nat64 = address in ipaddress.ip_network("64:ff9b::/96") and ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or nat64 or address
