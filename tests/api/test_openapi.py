"""The OpenAPI document is valid, and complete."""

from __future__ import annotations

import importlib
import re
from typing import Any

from bennu.api.openapi import OPERATIONS, openapi
from bennu.reasons import APIReason

DOCUMENT = openapi("/rt/api", "1.0")


def test_the_document_is_valid() -> None:
    validator: Any = importlib.import_module("openapi_spec_validator")
    validator.OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_each_operation_and_each_type_is_in_it() -> None:
    assert DOCUMENT["servers"] == [{"url": "/rt/api"}]
    assert DOCUMENT["paths"].keys() == {one.path for one in OPERATIONS} | {"/openapi.json"}
    message = DOCUMENT["components"]["schemas"]["PublishRequest"]
    assert message["required"] == ["topic", "event"]
    assert message["additionalProperties"] is False
    assert message["not"] == {"required": ["payload", "binary"]}
    assert message["properties"]["payload"]["type"] == "object"
    assert message["properties"]["binary"]["contentEncoding"] == "base64"


def test_each_reason_is_an_answer_of_an_operation() -> None:
    text = str(DOCUMENT["paths"])
    known = set(APIReason) - {
        APIReason.METHOD_NOT_ALLOWED
    }  # of no operation, since each has one method
    assert not [one for one in known if f"`{one.text}`" not in text]
    statuses = set(re.findall(r"'(\d{3})': ", text))
    assert statuses == {"200"} | {str(one.status) for one in known}
