"""Network addresses: what counts as one."""

import ipaddress


def network_of(address: str) -> str:
    """Who is behind an address. IPv6 hands out whole networks of addresses, so there a /64 counts as one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)
