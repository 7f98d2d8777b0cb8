"""Which machine an address names, and how far that machine is: loopback, link-local, private or public.

Pure: no name is resolved here. What a name resolves to is checked again when the connection is made (infra.net).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Reach = Literal["loopback", "link-local", "private", "public"]

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?")
_PORTS = {"http": 80, "https": 443}
# Names of metadata services; they answer on link-local addresses.
_METADATA_NAMES = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "instance-data"))
# Address blocks that `is_private` leaves out or puts elsewhere, from the IANA special-purpose registries.
_CARRIER = ipaddress.ip_network("100.64.0.0/10")  # shared address space; one cloud's metadata service lives in it
_PRIVATE_ENDINGS = (".internal", ".local", ".lan", ".home.arpa", ".corp", ".intranet", ".localdomain")


@dataclass(frozen=True, slots=True)
class Host:
    """A server: scheme, name and port, written the one canonical way."""

    scheme: str
    """http or https."""
    name: str
    """Lower case, no last dot; IPv6 without brackets."""
    port: int

    @property
    def netloc(self) -> str:
        """Name, and the port where it is not the scheme's own."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def reach(self) -> Reach:
        """How far away it is, as far as the name tells."""
        return reach(self.name)


def parse(url: str) -> Host:
    """The host of an address. Raises ValueError for anything but a plain http(s) URL: user names, fragments, white
    space, backslashes and non-ASCII names are where two URL parsers read two hosts."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("the address has spaces, backslashes or non-ASCII characters (write the host in punycode)")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("the address must begin with https:// (or http:// for loopback)")
    if "@" in parts.netloc:
        raise ValueError("the address must not hold a user name or password; use api_key_env")
    if parts.fragment or "#" in url:
        raise ValueError("the address must not hold a fragment (#…)")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("the port is not a number from 1 to 65535") from error
    if port == 0:
        raise ValueError("the port is not a number from 1 to 65535")
    return Host(parts.scheme, _host_name(parts.hostname or ""), port or _PORTS[parts.scheme])


def _host_name(name: str) -> str:
    if ":" in name:
        address, _, zone = name.partition("%")
        if zone:
            raise ValueError("an IPv6 address with a zone is not allowed")
        try:
            return str(ipaddress.IPv6Address(address))
        except ValueError as error:
            raise ValueError("not a valid IPv6 address") from error
    if not _NAME.fullmatch(name) or ".." in name or len(name) > 253:
        raise ValueError("the address names no valid host")
    return name.lower().rstrip(".")


def reach(name: str) -> Reach:
    """How far a host is by its name. Every old way to write an IPv4 address (2852039166, 0xA9FEA9FE, 169.254.43518)
    is read as the C library reads it."""
    if name == "localhost" or name.endswith(".localhost"):
        return "loopback"
    if name in _METADATA_NAMES:
        return "link-local"
    address = _address(name)
    if address is not None:
        return _address_reach(address)
    if "." not in name or name.endswith(_PRIVATE_ENDINGS):
        return "private"
    return "public"


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if ":" in name:
        six = ipaddress.IPv6Address(name)
        return six.ipv4_mapped or six.sixtofour or _nat64(six) or six
    number = _ipv4_number(name)
    return None if number is None else ipaddress.IPv4Address(number)


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside 64:ff9b::/96 (RFC 6052)."""
    if int(address) >> 32 != 0x0064_FF9B << 64:
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _ipv4_number(name: str) -> int | None:
    """What inet_aton makes of a name: one to four parts, each decimal, octal (0…) or hexadecimal (0x…)."""
    parts = name.split(".")
    if len(parts) > 4:
        return None
    numbers = [_part(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    *heads, last = [number for number in numbers if number is not None]
    room = 8 * (4 - len(heads))
    if any(head > 255 for head in heads) or last >= 1 << room:
        return None
    value = 0
    for head in heads:
        value = value << 8 | head
    return value << room | last


def _part(text: str) -> int | None:
    for prefix, digits, base in (("0x", "0123456789abcdef", 16), ("0", "01234567", 8), ("", "0123456789", 10)):
        rest = text.lower().removeprefix(prefix)
        if text.lower().startswith(prefix) and (rest or prefix == "0") and len(rest) < 20:
            return int(rest or "0", base) if all(c in digits for c in rest) else None
    return None


def _address_reach(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Reach:
    if address.is_loopback:
        return "loopback"
    # Multicast and reserved blocks hold no model server; they are as forbidden as link-local ones.
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return "link-local"
    if address.is_private or address in _CARRIER:
        return "private"
    return "link-local" if address.is_reserved else "public"
