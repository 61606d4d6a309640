"""SSRF guard: which IP addresses clients may make this service connect to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from zhiyin.domain.errors import ConfigError

Network = IPv4Network | IPv6Network

# All that is routed on the public internet; the rest is reserved, deprecated (site-local, for one)
# or a way to write an IPv4 address, which a gateway may turn into a private one.
_GLOBAL = IPv6Network("2000::/3")
# Of IANA's registries of special addresses what is in there, and what Python takes for public.
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "2001::/23",  # protocols: Teredo, benchmarks, ORCHID ...
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48", "192.31.196.0/24", "192.175.48.0/24",  # AS112: answered by anyone
        "3ffe::/16",  # 6bone
        "192.0.0.0/24", "192.52.193.0/24", "192.88.99.0/24",  # protocols, AMT, 6to4 relays
    )
)  # fmt: skip
_ISATAP = 0x5EFE  # before an IPv4 address in the last 64 bits


def parse_networks(texts: Sequence[str], setting: str) -> tuple[Network, ...]:
    """Networks from CIDR notation. Raises ConfigError that names the setting."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}.") from error


def is_open(text: str, allowed: Sequence[Network]) -> bool:
    """Whether an address is on the public internet, or in a network that the operator allows."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed):
        return True
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address not in _GLOBAL or _is_isatap(address)):
        return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_isatap(address: IPv6Address) -> bool:
    return int(address) >> 32 & 0xFDFFFFFF == _ISATAP
