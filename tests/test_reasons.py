"""The tables of close codes and error reasons agree with the docs and with the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bennu.reasons import PROTOCOL_FAILURES, APIReason, CloseCode, DropReason, Limit, Reason

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for path in (ROOT / "src/bennu").rglob("*.py") if "templates" not in path.parts
)  # the files of a new project are its own
DOCS = (ROOT / "docs/reasons.md").read_text()


def close_table() -> str:
    rows = [f"| {one.code} | {one.text} | {one.meaning} |" for one in CloseCode]
    return "\n".join(["| code | reason | why |", "|---|---|---|", *rows])


def reason_table(kind: type[Reason | DropReason]) -> str:
    rows = [f"| `{one.text}` | {one.meaning} |" for one in kind]
    return "\n".join(["| reason | why |", "|---|---|", *rows])


def api_table() -> str:
    rows = [f"| {one.status} | `{one.text}` | {one.meaning} |" for one in APIReason]
    return "\n".join(["| status | reason | why |", "|---|---|---|", *rows])


@pytest.mark.parametrize(
    "table",
    [close_table(), reason_table(Reason), reason_table(DropReason), api_table()],
    ids=["close codes", "reasons", "drops", "api"],
)
def test_docs_hold_the_table(table: str) -> None:
    """docs/reasons.md has each row of the code, in the same order."""
    assert table in DOCS, f"write into docs/reasons.md:\n\n{table}"


@pytest.fixture(scope="module")
def nodes() -> list[tuple[Path, ast.AST]]:
    """The attributes, calls and dicts in the code."""
    return [
        (path, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Call | ast.Dict)
    ]


@pytest.mark.parametrize("kind", [CloseCode, Reason, DropReason, Limit, APIReason])
def test_each_row_is_used(
    kind: type[CloseCode | Reason | DropReason | Limit | APIReason],
    nodes: list[tuple[Path, ast.AST]],
) -> None:
    """Each row is used by a line of the code."""
    used = {
        node.attr
        for path, node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == kind.__name__
    }
    assert {one.name for one in kind} == used


def test_nothing_is_closed_with_a_code_of_its_own(nodes: list[tuple[Path, ast.AST]]) -> None:
    """The code closes connections with rows of the table, and not with numbers."""
    offenders = [
        f"{path.name}:{node.lineno}"
        for path, node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "close"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert offenders == []


def writes_reason(node: ast.AST) -> bool:
    """Return whether a node is ``{"reason": "..."}`` or ``Refused("...")``. Examples in docstrings are no nodes."""
    match node:
        case ast.Dict(keys=[ast.Constant(value="reason"), *_], values=[ast.Constant(), *_]):
            return True
        case ast.Call(func=ast.Name(id="Refused"), args=[ast.Constant(), *_]):
            return True
    return False


def test_no_reason_is_written_out(nodes: list[tuple[Path, ast.AST]]) -> None:
    """The code takes the reason of an error from the table, and not from text."""
    assert [f"{path.name}:{ast.unparse(node)}" for path, node in nodes if writes_reason(node)] == []


def test_a_reason_that_is_written_out_is_found() -> None:
    [call] = ast.parse('Refused("full", limit=3)').body
    [payload] = ast.parse('{"reason": "full"}').body
    assert isinstance(call, ast.Expr)
    assert isinstance(payload, ast.Expr)
    assert writes_reason(call.value)
    assert writes_reason(payload.value)


def test_protocol_failures_have_the_code_that_the_reader_names() -> None:
    """The frame reader's failures have the codes of the table."""
    assert all(code == member.code for code, member in PROTOCOL_FAILURES.items())


def test_codes_may_be_sent() -> None:
    """A server can send these codes in a close frame (RFC 6455, §7.4)."""
    assert all(1000 <= one.code < 1015 or 4000 <= one.code < 5000 for one in CloseCode)


def test_no_code_strands_a_stock_client() -> None:
    """phoenix.js connects again after any code but 1000, which only a raw socket's handler chooses."""
    assert [one for one in CloseCode if one.code == 1000] == [CloseCode.STOPPED]


def test_a_payload_names_its_reason_and_may_say_more() -> None:
    """The payload of a reason can have other fields."""
    assert Reason.UNKNOWN_EVENT.payload() == {"reason": "unknown_event"}
    assert Reason.INVALID_PAYLOAD.payload(errors=[1]) == {
        "reason": "invalid_payload",
        "errors": [1],
    }
