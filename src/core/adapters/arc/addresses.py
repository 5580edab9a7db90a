"""Which addresses a binding may reach: what the operator allowed, and never what nobody means. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from core.model.errors import ConfigurationError

Address = IPv4Address | IPv6Address
WORDS: Final = ("loopback", "private", "public")
_SETTING: Final = "arc.allowed_networks"


class AllowedNetworks:
    """`loopback`, `private` (as in RFC 1918 and RFC 4193), `public`, or networks such as 10.1.0.0/16.

    Link-local addresses (169.254.169.254 hands out a cloud's credentials), multicast, reserved and
    unspecified ones are refused unless a network names them. An IPv4 address in IPv6's clothes is
    judged as the IPv4 address that it is.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        """Raises ConfigurationError naming what is neither a word nor a network."""
        self._words = {entry for entry in allowed if entry in WORDS}
        self._networks = [_network(entry) for entry in allowed if entry not in WORDS]

    def allows(self, address: str) -> bool:
        """Whether this IP address may be connected to."""
        ip = _unmapped(ip_address(address.partition("%")[0]))
        if any(ip.version == network.version and ip in network for network in self._networks):
            return True
        return _kind(ip) in self._words


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry)
    except ValueError as e:
        raise ConfigurationError(
            f"{_SETTING} holds {entry!r}: it must be {', '.join(WORDS)} or a network such as 10.1.0.0/16",
            keys=(_SETTING,),
        ) from e


def _unmapped(ip: Address) -> Address:
    if isinstance(ip, IPv6Address):
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


def _kind(ip: Address) -> str:
    """One of the words, or nothing for what no word allows."""
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return ""
    if ip.is_global:
        return "public"
    return "private"
