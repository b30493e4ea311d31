"""Which network addresses the URLs of users may reach. Pure: names are resolved elsewhere (`net.guarded`).

`ipaddress` isn't enough alone: what it calls global changes with Python's patch releases, it takes addresses for global
that carry a private one inside, and knows nothing of what clouds keep behind public ones.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SHORTEST_PREFIX = {4: 8, 6: 7}  # 10/8 and fc00::/7 are the widest that are private: nobody allows all there is

# Where machines in clouds tell who asks their own credentials: nobody may allow these.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
)
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",        # this host
        "100.64.0.0/10",    # carriers' NAT
        "192.0.0.0/24",     # protocols' own
        "192.88.99.0/24",   # 6to4 relays
        "198.18.0.0/15",    # benchmarks
        "240.0.0.0/4",      # reserved
        "64:ff9b:1::/48",   # NAT64 of a network's own
        "fec0::/10",        # site-local
        "5f00::/16",        # segment routing
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be reached although it is private: hosts by name, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: Sequence[Network] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Self:
        """`text`: hosts, addresses and networks, separated by commas. Raises ValueError with a reason."""
        hosts, networks = set(), []
        for part in (part.strip() for part in text.split(",")):
            if not part:
                continue
            try:
                network = ipaddress.ip_network(part.strip("[]"), strict=False)
            except ValueError:
                hosts.add(_host(part))
                continue
            if network.prefixlen < SHORTEST_PREFIX[network.version]:
                raise ValueError(f"{part} is too wide: at most a /{SHORTEST_PREFIX[network.version]} can be allowed")
            networks.append(network)
        return cls(hosts=frozenset(hosts), networks=tuple(networks))

    def may_cover(self, host: str) -> bool:
        """Whether this name or address may be allowed; of a name it depends on what it resolves to."""
        address = literal(host)
        return host.lower() in self.hosts or (bool(self.networks) if address is None else self._covers(address))

    def permits(self, host: str, address: Address) -> bool:
        """Whether a URL with this host may be connected to this address, which is one that it resolves to."""
        if any(inner in METADATA for inner in _with_inner(address)):
            return False
        return self.covers(host, address) or is_public(address)

    def covers(self, host: str, address: Address) -> bool:
        """Whether it is allowed by name or by address, private or not."""
        return host.lower() in self.hosts or self._covers(address)

    def _covers(self, address: Address) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        plain = mapped or address
        return any(plain.version == network.version and plain in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Whether an address, and one that it carries inside, is one of the internet's."""
    return all(_is_public_itself(inner) for inner in _with_inner(address))


def literal(host: str) -> Address | None:
    """The address that a URL's host is, where it is one."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_public_itself(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_unspecified:
        return False
    if address.is_reserved and not (isinstance(address, ipaddress.IPv6Address) and address in _NAT64):
        return False
    if address.is_link_local or address in METADATA:
        return False
    return not any(address.version == network.version and address in network for network in _NEVER_PUBLIC)


def _with_inner(address: Address) -> tuple[Address, ...]:
    """An address, or those that it carries: mapped, NAT64, 6to4, Teredo. Of NAT64 and 6to4 the inner one is reached."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if (mapped := address.ipv4_mapped) is not None:
        return (mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if (six_to_four := address.sixtofour) is not None:
        return (six_to_four,)
    if (teredo := address.teredo) is not None:
        return teredo
    return (address,)


def _host(text: str) -> str:
    if not text.isascii() or any(character in "/*@:? " for character in text):
        raise ValueError(f"{text} is neither a host nor a network")
    return text.lower().rstrip(".")
