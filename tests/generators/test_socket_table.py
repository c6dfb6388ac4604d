"""A channel is added to the text of a module, and nothing else in the text changes."""

from __future__ import annotations

import ast

import pytest

from bennu.generators.socket_table import NotAdded, add_channel

IMPORTS = """\
from bennu import Socket

from .room import RoomChannel
from .users import User

"""

TABLES = {
    "empty": ("Socket(channels={}, id=None)", 'Socket(channels={\n    "b:*": B,\n}, id=None)'),
    "one line": (
        'Socket(channels={"a": A, "ä": Ä})  # é',
        'Socket(channels={\n    "a": A,\n    "ä": Ä,\n    "b:*": B,\n})  # é',
    ),
    "lines": (
        'Socket(\n    channels={\n        "a": A,  # first\n    },\n)',
        'Socket(\n    channels={\n        "a": A,  # first\n        "b:*": B,\n    },\n)',
    ),
    "lines without the last comma": (
        'bennu.Socket(\n    channels={\n        "a": A\n        # last\n    }\n)',
        'bennu.Socket(\n    channels={\n        "a": A,\n        # last\n        "b:*": B,\n    }\n)',
    ),
    "a bracket behind the last entry": (
        'Socket(channels={"a": A,\n    "c": C})',
        'Socket(channels={\n    "a": A,\n    "c": C,\n    "b:*": B,\n})',
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_an_entry_is_added_at_the_end(name: str) -> None:
    before, after = TABLES[name]
    changed = add_channel(f"{IMPORTS}socket = {before}\n", "b:*", "b", "B")
    expected = IMPORTS.replace("from .room", "from .b import B\nfrom .room") + f"socket = {after}\n"
    assert changed == expected
    ast.parse(changed)


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("import a\n", "import a\n\nfrom .m import M\n"),
        ("from .a import A\n", "from .a import A\nfrom .m import M\n"),
        ("from .a import (\n    A,\n)\n", "from .a import (\n    A,\n)\nfrom .m import M\n"),
        ("from .z import Z\n", "from .m import M\nfrom .z import Z\n"),
        ("from .m import L, M\n", "from .m import L, M\n"),
        ("from .m import M as L\n", "from .m import M as L\nfrom .m import M\n"),
        ("from ..a import A\nimport b\n", "from ..a import A\nimport b\n\nfrom .m import M\n"),
    ],
)
def test_the_import_stands_in_its_order(imports: str, expected: str) -> None:
    changed = add_channel(f"{imports}\ns = Socket(channels={{}})\n", "m", "m", "M")
    assert changed == f'{expected}\ns = Socket(channels={{\n    "m": M,\n}})\n'


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s = (", "the module is no Python"),
        ("import a\n", "expected one Socket(channels=...) in the module, got 0"),
        ("import a\nf()()\nx = Socket(connect=1)\n", "got 0"),
        ("s = Socket(channels={})\nt = Socket(channels={})\n", "got 2"),
        ("s = Socket(channels=CHANNELS)\n", "not written as {...}"),
        ("s = Socket(channels={**MORE})\n", "not written as {...}"),
        ("s = Socket(channels={NAME: A})\n", "a topic in the table is not written as text"),
        ("s = Socket(channels={7: A})\n", "a topic in the table is not written as text"),
        ('s = Socket(channels={"b:*": A})\n', 'the table has "b:*" already'),
        ('s = Socket(channels={"*": A})\n', '"*" gets all its topics: write it above "*"'),
        ("s = Socket(channels={})\n", "the module has no imports"),
    ],
)
def test_what_can_not_be_changed_safely_is_left_alone(source: str, said: str) -> None:
    with pytest.raises(NotAdded) as raised:
        add_channel(source, "b:*", "b", "B")
    assert said in str(raised.value)
