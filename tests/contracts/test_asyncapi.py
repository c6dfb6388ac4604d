"""The AsyncAPI document of a contract fits the official schema, and says what the endpoint does."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bennu import Endpoint, Socket
from bennu.contracts import asyncapi, contract_of
from bennu.contracts.frames import OWN_SCHEMAS
from tests.contracts.shop import endpoint
from tests.support.frames import PHX_ERROR, PHX_JOIN, PHX_LEAVE, pushing

OFFICIAL = Path(__file__).parent / "asyncapi-3.0.0.json"


@cache
def validator() -> Any:
    """Return a validator of AsyncAPI 3.0 documents, made of the official schema."""
    schema = json.loads(OFFICIAL.read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def document() -> dict[str, Any]:
    return asyncapi(contract_of(endpoint, title="Shop", release="1.2"))


def resolve(found: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [one for inner in part for one in references(inner)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [one for inner in part.values() for one in references(inner)]


def refreshing() -> Endpoint:
    async def refresh(token: str, info: object) -> None: ...

    socket: Socket[Any] = Socket(connect=lambda: None, channels={}, refresh=refresh)
    return Endpoint(sockets={"/a/{tenant}": socket, "/b": socket})


@pytest.mark.parametrize("of", [endpoint, Endpoint(sockets={}), refreshing()])
def test_the_document_fits_the_official_schema(of: Endpoint) -> None:
    found = asyncapi(contract_of(of))
    errors = [f"{[*one.absolute_path]}: {one.message}" for one in validator().iter_errors(found)]
    assert not errors
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("part", "value"), [("asyncapi", "3.0"), ("operations", {"a": {"action": "push"}}), ("more", 1)]
)
def test_the_official_schema_refuses_another_document(part: str, value: Any) -> None:
    assert [*validator().iter_errors({**document(), part: value})]


def test_all_references_lead_somewhere() -> None:
    found = document()
    for one in references(found):
        resolve(found, one)


def test_schemas_of_payloads_are_schemas() -> None:
    """They are valid draft 07, which AsyncAPI's own schema does not check in depth."""
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


def test_a_push_is_an_operation_with_its_replies() -> None:
    found = document()
    order = found["operations"]["ShopChannel.order"]
    assert order["action"] == "receive"
    assert order["description"].startswith("Order something.")
    message = resolve(found, order["messages"][0]["$ref"])
    assert (message["name"], message["payload"]) == (
        "order",
        {"$ref": "#/components/schemas/Order"},
    )
    ok, error = (resolve(found, one["$ref"]) for one in order["reply"]["messages"])
    assert ok["payload"]["properties"]["response"] == {"$ref": "#/components/schemas/Order"}
    problem, refusal = error["payload"]["properties"]["response"]["anyOf"]
    assert problem == {"$ref": "#/components/schemas/Problem"}
    reasons = [one.get("const") for one in refusal["properties"]["reason"]["anyOf"]]
    assert "key_reused" in reasons
    assert None in reasons  # any other text
    assert {"errors", "retry_after_ms"} < refusal["properties"].keys()
    assert order["x-bennu"]["rate"] == "5/second"
    assert order["x-bennu"]["ttl"] == 86400


def test_a_push_without_reply_can_still_be_refused() -> None:
    found = document()
    [reply] = found["operations"]["ShopChannel.draw"]["reply"]["messages"]
    assert reply["$ref"].endswith("draw.error")
    later = found["operations"]["ShopChannel.later"]["reply"]["messages"]
    assert [one["$ref"].rpartition(".")[2] for one in later] == ["other", "error"]


def test_binary_payloads_have_their_type() -> None:
    messages = document()["channels"]["ShopChannel"]["messages"]
    for name in ("image", "image.ok", "out.image"):
        assert messages[name]["contentType"] == "application/octet-stream"


def test_a_topic_is_a_channel() -> None:
    channels = document()["channels"]
    shop, admin, star = (channels[one] for one in ("ShopChannel", "AdminChannel", "StarChannel"))
    assert shop["address"] == "shop:{shop_id}"
    assert shop["parameters"]["shop_id"]["x-bennu"]["schema"] == {"type": "integer"}
    assert admin["parameters"]["level"]["enum"] == ["high", "low"]
    assert (star["address"], star["parameters"]["rest"]["description"]) == (
        "star:{rest}",
        "Any text.",
    )
    assert shop["x-bennu"]["history"]["size"] == 50
    assert {PHX_JOIN, PHX_LEAVE, PHX_ERROR, "out.ordered"} < shop["messages"].keys()
    assert [one["$ref"] for one in shop["servers"]] == [
        "#/servers/socket",
        "#/servers/socket_longpoll",
    ]


def test_the_frame_is_described_once() -> None:
    found = document()
    assert "[join_ref, ref, topic, event, payload]" in found["info"]["description"]
    frame = found["components"]["schemas"]["phx.Frame"]
    message = pushing("1", "2", "room:7", "new_msg", {"body": "hi"})
    jsonschema.Draft7Validator(frame).validate(list(message))
    assert OWN_SCHEMAS["phx.Frame"] == frame
    headers = found["components"]["messageTraits"]["frame"]["headers"]["properties"]
    assert headers.keys() == {"join_ref", "ref", "topic", "event"}


def test_the_connection_has_a_topic() -> None:
    found = document()
    assert found["operations"]["phoenix.heartbeat"]["action"] == "receive"
    assert "phoenix.token" not in found["operations"]
    assert "phoenix.out.token_expiring" in asyncapi(contract_of(refreshing()))["operations"]
    assert asyncapi(contract_of(Endpoint(sockets={})))["channels"] == {}
