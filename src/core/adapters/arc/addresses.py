"""Which addresses a binding may reach: what the operator allowed, and never what nobody means. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from core.model.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
WORDS: Final = ("loopback", "private", "public")
_SETTING: Final = "arc.allowed_networks"
_PRIVATE: Final[tuple[Network, ...]] = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_METADATA: Final[tuple[Address, ...]] = tuple(
    map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192"))
)
"""Where clouds hand out credentials to whoever asks from inside."""
_NAT64: Final = IPv6Network("64:ff9b::/96")


class AllowedNetworks:
    """`loopback`, `private` (RFC 1918, 4193 and 6598), `public`, or networks such as 10.1.0.0/16.

    Link-local addresses, those where clouds hand out credentials, multicast, reserved and
    unspecified ones are refused unless a network names them. An IPv4 address in IPv6's clothes is
    judged as the IPv4 address that it is.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        """Raises ConfigurationError naming what is neither a word nor a network."""
        self._words = {entry for entry in allowed if entry in WORDS}
        self._networks = [_network(entry) for entry in allowed if entry not in WORDS]

    def allows(self, address: str) -> bool:
        """Whether this IP address may be connected to."""
        ip = _undressed(ip_address(address.partition("%")[0]))
        if any(ip in network for network in self._networks):
            return True
        return _kind(ip) in self._words


def _network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as e:
        raise ConfigurationError(
            f"{_SETTING} holds {entry!r}: it must be {', '.join(WORDS)} or a network such as 10.1.0.0/16",
            keys=(_SETTING,),
        ) from e


def _undressed(ip: Address) -> Address:
    if not isinstance(ip, IPv6Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _kind(ip: Address) -> str:
    """One of the words, or nothing for what no word allows."""
    if ip.is_loopback:
        return "loopback"
    if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return ""
    if isinstance(ip, IPv6Address) and ip.is_site_local:
        return ""
    if any(ip in network for network in _PRIVATE):
        return "private"
    return "public" if ip.is_global else ""
