"""Who may read the metrics."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.exporter.access import Access, AccessCheck

LOCAL = AccessCheck(())
LOCKED = AccessCheck((b"a" * 20, b"b" * 20))


def scope(
    *headers: tuple[bytes, bytes], host: bytes = b"localhost:4000", peer: str | None = "127.0.0.1"
) -> dict[str, Any]:
    client = None if peer is None else (peer, 5000)
    return {"headers": [(b"host", host), *headers], "client": client}


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:4000", b"[::1]:4000"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_a_program_on_this_machine_needs_no_token(host: bytes, peer: str) -> None:
    assert LOCAL.judge(scope(host=host, peer=peer)) is Access.ALLOWED


@pytest.mark.parametrize(
    "request_scope",
    [
        pytest.param(scope(peer="10.0.0.1"), id="another machine"),
        pytest.param(scope(peer=None), id="a Unix socket"),
        pytest.param(scope(host=b"example.com"), id="a proxy that keeps the Host header"),
        pytest.param(scope(host=b"169.254.1.1"), id="another address"),
        pytest.param(scope((b"host", b"localhost")), id="two hosts"),
        pytest.param({"headers": [], "client": ("127.0.0.1", 1)}, id="no host"),
        pytest.param(scope((b"x-forwarded-for", b"127.0.0.1")), id="X-Forwarded-For"),
        pytest.param(scope((b"forwarded", b"for=127.0.0.1")), id="Forwarded"),
        pytest.param(scope((b"via", b"1.1 proxy")), id="Via"),
    ],
)
def test_all_others_are_refused_without_a_token(request_scope: dict[str, Any]) -> None:
    assert LOCAL.judge(request_scope) is Access.NOT_LOCAL


@pytest.mark.parametrize("token", [b"a" * 20, b"b" * 20])
def test_a_token_is_enough_from_everywhere(token: bytes) -> None:
    headers = (b"authorization", b"Bearer " + token)
    assert LOCKED.judge(scope(headers, host=b"10.0.0.5:4000", peer="10.0.0.1")) is Access.ALLOWED
    assert LOCKED.judge(scope((b"x-api-key", token), peer=None)) is Access.ALLOWED


def test_with_tokens_a_program_on_this_machine_needs_one_too() -> None:
    assert LOCKED.judge(scope()) is Access.NO_TOKEN
    assert LOCKED.judge(scope((b"authorization", b"Basic abc"))) is Access.NO_TOKEN
    assert LOCKED.judge(scope((b"authorization", b"Bearer " + b"c" * 20))) is Access.WRONG_TOKEN


@pytest.mark.parametrize("access", Access)
def test_a_refusal_says_why(access: Access) -> None:
    assert (access.status == 200) == (not access.text) == (access is Access.ALLOWED)
