"""Tests of the small vocabulary."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from geventsio import DisconnectReason, ProtocolVersion, TransportType

#: The strings of the official server that clients and dashboards know.
OFFICIAL = {
    "transport close",
    "transport error",
    "ping timeout",
    "parse error",
    "forced close",
    "forced server close",
    "client namespace disconnect",
    "server namespace disconnect",
    "server shutting down",
}


def test_reasons_are_those_of_the_official_server_and_our_own() -> None:
    assert {reason.value for reason in DisconnectReason} == OFFICIAL | {"slow consumer", "payload too large"}


@pytest.mark.parametrize("member", [*DisconnectReason, *TransportType], ids=str)
def test_members_are_their_strings(member: DisconnectReason | TransportType) -> None:
    value = str(member.value)
    assert member == value
    assert str(member) == f"{member}" == f"{member:s}" == value
    assert json.dumps(member) == json.dumps(value)
    assert type(member)(value) is member
    assert {value: 1}[member] == 1
    assert re.fullmatch(r"[a-z]+( [a-z]+)*", value)
    assert member.name == value.upper().replace(" ", "_")


def test_transports_and_versions() -> None:
    assert [str(transport) for transport in TransportType] == ["polling", "websocket"]
    assert [int(version) for version in ProtocolVersion] == [4, 5]


def test_the_vocabulary_needs_nothing() -> None:
    source = Path(__file__).parent.parent.joinpath("geventsio", "types.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)) == {"__future__", "enum"}
