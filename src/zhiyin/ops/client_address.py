"""Anonymized client IP addresses for logs."""

from __future__ import annotations

import ipaddress

_KEPT = {4: 24, 6: 48}  # bits


def truncated(address: str) -> str:
    """The network of an IP address, the rest 0; "-" for anything else."""
    try:
        full = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "-"
    if isinstance(full, ipaddress.IPv6Address) and full.ipv4_mapped is not None:
        full = full.ipv4_mapped
    network = ipaddress.ip_network((int(full), _KEPT[full.version]), strict=False)
    return str(network.network_address)
