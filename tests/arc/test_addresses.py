"""Which addresses a binding may reach."""

import pytest

from core.adapters.arc.addresses import AllowedNetworks
from core.model.errors import ConfigurationError

EVERY_WORD = ("loopback", "private", "public")


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.10", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.5.5", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("2002:0a00:0001::1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b::808:808", "public"),
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("::ffff:8.8.8.8", "public"),
    ],
)
def test_an_address_is_allowed_by_its_word_and_by_no_other(address: str, word: str) -> None:
    assert AllowedNetworks([word]).allows(address)
    others = [other for other in EVERY_WORD if other != word]
    assert not AllowedNetworks(others).allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1%eth0",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "240.0.0.1",
        "255.255.255.255",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "0.1.2.3",
        "::127.0.0.1",
        "fec0::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_what_nobody_means_is_refused_whatever_the_words(address: str) -> None:
    assert not AllowedNetworks(EVERY_WORD).allows(address)


def test_a_network_allows_what_lies_in_it_and_nothing_else() -> None:
    allowed = AllowedNetworks(["10.1.0.0/16", "fd12::/16", "169.254.1.0/24"])
    assert allowed.allows("10.1.255.1")
    assert allowed.allows("::ffff:10.1.2.3")
    assert allowed.allows("fd12::5")
    assert allowed.allows("169.254.1.9")
    assert not allowed.allows("10.2.0.1")
    assert not allowed.allows("127.0.0.1")


@pytest.mark.parametrize("entry", ["localhost", "10.0.0.1/8", "everything", ""])
def test_what_is_neither_a_word_nor_a_network_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"arc\.allowed_networks holds"):
        AllowedNetworks([entry])
