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

# Ways to write an IPv4 address as an IPv6 one: a gateway turns them into private ones.
_TRANSLATED = tuple(
    IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
# Reserved by IANA; older Pythons take some of it for public (python/cpython#113171).
_RESERVED = IPv4Network("192.0.0.0/24")


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
    if isinstance(address, IPv6Address) and any(address in n for n in _TRANSLATED):
        return False
    if address in _RESERVED:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
