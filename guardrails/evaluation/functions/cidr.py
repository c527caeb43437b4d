"""Functions of ranges of IPv4 addresses. Pure. Ranges of IPv6 are Unknown."""

import ipaddress
from typing import Final

from guardrails.evaluation.functions.base import function, integer, text, unsure
from guardrails.evaluation.values import EngineError, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_RANGE: Final = lazy_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}")


def _network(given: str, name: str) -> ipaddress.IPv4Network | Unknown:
    if ":" in given or not _RANGE.fullmatch(given):
        return unsure(f"{name}() of such a range")
    try:
        return ipaddress.IPv4Network(given)
    except ValueError:
        return unsure(f"{name}() of such a range")


@function("parseCidr", 1)
def _parse_cidr(arguments: list[Value]) -> Value:
    network = _network(text(arguments[0], "parseCidr"), "parseCidr")
    if isinstance(network, Unknown):
        return network
    if network.prefixlen > 30:
        return unsure("parseCidr() of a range without hosts")
    return {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "broadcast": str(network.broadcast_address),
        "firstUsable": str(network.network_address + 1),
        "lastUsable": str(network.broadcast_address - 1),
        "cidr": network.prefixlen,
    }


@function("cidrSubnet", 3)
def _cidr_subnet(arguments: list[Value]) -> Value:
    network = _network(text(arguments[0], "cidrSubnet"), "cidrSubnet")
    length, number = integer(arguments[1], "cidrSubnet"), integer(arguments[2], "cidrSubnet")
    if isinstance(network, Unknown):
        return network
    if not network.prefixlen <= length <= 32 or not 0 <= number < 2 ** (length - network.prefixlen):
        raise EngineError("cidrSubnet() needs a range inside the given one")
    return f"{network.network_address + number * 2 ** (32 - length)}/{length}"


@function("cidrHost", 2)
def _cidr_host(arguments: list[Value]) -> Value:
    network = _network(text(arguments[0], "cidrHost"), "cidrHost")
    number = integer(arguments[1], "cidrHost")
    if isinstance(network, Unknown):
        return network
    if network.prefixlen > 30 or number < 0:
        return unsure("cidrHost() of this range and number")
    if number + 1 >= network.num_addresses - 1:
        return unsure("cidrHost() beyond the range's hosts")
    return str(network.network_address + number + 1)
