"""phoenix.js with compression: with Node's own WebSocket, and that of the package ws."""

from __future__ import annotations

import pytest

from tests.interop.scenario import Scenario

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["global", "ws"])
def test_talks_over_a_compressed_connection(scenario: Scenario, transport: str) -> None:
    """Both offer compression, accept that neither side keeps a window, and read the server's messages."""
    seen = scenario("compressed", transport)
    extensions = seen["extensions"]
    assert extensions.startswith("permessage-deflate")
    if transport == "global":
        assert "server_no_context_takeover" in extensions
        assert "client_no_context_takeover" in extensions
    assert seen["heard"] == [[True, True]] * 3
    assert seen["seen"] is True
