"""docs/protocol.md has each section that the code, the tests and the other pages cite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bennu.message import BINARY, TEXT
from bennu.phoenix import token
from bennu.protocol import JSONV1, JSONV2
from tests.support.pages import ROOT, table

PAGE: Final = ROOT / "docs/protocol.md"
PAGE_TEXT: Final = PAGE.read_text()
PLACES: Final = ("src", "tests", "docs", "benchmarks", "scripts")
SOURCES: Final = {".py", ".md", ".toml", ".js", ".html", ""}
SKIPPED: Final = {"node_modules", "__pycache__", ".venv"}

_SECTION: Final = r"§\d+(?:\.\d+)*"
_RFC: Final = re.compile(rf"RFC \d+,?\s+{_SECTION}(?:(?:,| and| to|[-–])\s*{_SECTION})*")
_CITED: Final = re.compile(r"§(\d+(?:\.\d+)?)(?:[-–]§?(\d+(?:\.\d+)?))?(?![\d.]*\d)")
_HEADING: Final = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_TITLE: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCE: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def headings() -> dict[str, str]:
    """Return the titles of the numbered sections, by their numbers."""
    return dict(_HEADING.findall(PAGE_TEXT))


def sources() -> Iterator[Path]:
    """Yield the texts of the repository that can cite a section."""
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and path.suffix in SOURCES and not SKIPPED & set(path.parts):
                yield path


def cited_in(text: str) -> list[str]:
    """Return the sections of this page that a text cites: both ends of a range, and no sections of an RFC."""
    return [number for pair in _CITED.findall(_RFC.sub("", text)) for number in pair if number]


def anchor(title: str) -> str:
    """Return the anchor of a heading on GitHub."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Protocol document, §2.9–2.16 and §3.", ["2.9", "2.16", "3"]),
        ("(protocol, §8.1–§8.3)", ["8.1", "8.3"]),
        ("Protocol, §6.3-6.4", ["6.3", "6.4"]),
        ("§1.2 to §1.11.", ["1.2", "1.11"]),
        ("RFC 6455, §7.4", []),
        ("RFC 6455, §4.1 and §4.2", []),
        ("a last block, §7.2.3.4", []),
        ("RFC 7692, §7.2.3.1, and protocol document, §1.12", ["1.12"]),
        ("protocol document, §1.13\nand §2; RFC 6455, §7.4; codes", ["1.13", "2"]),
    ],
)
def test_citations_are_told_from_those_of_an_rfc(text: str, cited: list[str]) -> None:
    assert cited_in(text) == cited


def test_every_cited_section_is_there() -> None:
    """A reader who follows "Protocol document, §2.8" finds the section."""
    known = headings()
    missing: list[str] = []
    cited: set[str] = set()
    for path in sources():
        numbers = cited_in(path.read_text(errors="replace"))
        cited.update(numbers)
        missing += [f"{path.relative_to(ROOT)}: §{one}" for one in numbers if one not in known]
    assert not missing
    assert {"1.13", "2.8", "6.7", "8.5"} <= cited


def test_sections_are_numbered_without_a_gap() -> None:
    """Sections are numbered from 0 to 12, and subsections without gaps."""
    chapters = [one for one in headings() if "." not in one]
    assert chapters == [str(number) for number in range(13)]
    for chapter in chapters:
        below = [one for one in headings() if one.startswith(f"{chapter}.")]
        assert below == [f"{chapter}.{number}" for number in range(1, len(below) + 1)]


def test_links_lead_to_sections() -> None:
    """Each link of the page leads to a file, and to a heading of that file if it names one."""
    broken: list[str] = []
    links = [link for link in _LINK.findall(PAGE_TEXT) if not link[0].startswith("http")]
    for name, fragment in links:
        path = PAGE.parent / name if name else PAGE
        if not path.exists():
            broken.append(name)
        elif fragment:
            titles = _TITLE.findall(_FENCE.sub("", path.read_text()))
            if fragment not in map(anchor, titles):
                broken.append(f"{name}#{fragment}")
    assert links
    assert not broken


def test_a_link_says_the_section_that_it_leads_to() -> None:
    """In `[§2.8](#28-decision-table)` the number and the heading belong to the same section."""
    links = re.findall(r"\[§([\d.]+)\]\(#([^)]+)\)", PAGE_TEXT)
    for number, fragment in links:
        dotted = number if "." in number else f"{number}."
        assert fragment == anchor(f"{dotted} {headings()[number]}")
    assert links


def frames(direction: str) -> list[str]:
    """Return the text frames in the examples: those of the client (``>``) or of the server (``<``)."""
    found = re.findall(rf"^{direction} ([\[{{].*[\]}}])$", PAGE_TEXT, re.MULTILINE)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("text", frames(">"))
def test_frames_of_clients_can_be_decoded(text: str) -> None:
    serializer: Any = JSONV2 if text.startswith("[") else JSONV1
    assert serializer.decode(TEXT, text.encode()).ref is not None


@pytest.mark.parametrize("text", [one for one in frames("<") if '"messages"' not in one])
def test_frames_of_the_server_are_compact_and_have_all_that_a_frame_has(text: str) -> None:
    content = json.loads(text)
    if isinstance(content, list):
        assert len(content) == 5
    elif content != {"status": 200}:
        assert content.keys() == {"topic", "event", "payload", "ref"}
    assert text == json.dumps(content, separators=(",", ":"))


def test_binary_frames_are_those_of_the_serializer() -> None:
    """Each binary example of §2.4, of each kind, is a frame of the serializer."""
    below = PAGE_TEXT.split("### 2.4 ")[1]
    examples = re.findall(
        r"^([<>]) ((?:[0-9a-f]{2} ?)+)((?:\"[^\"]+\" ?)+)((?:[0-9a-f]{2} ?)+)$", below, re.MULTILINE
    )
    written = [
        (
            way,
            bytes.fromhex(head)
            + "".join(re.findall('"([^"]+)"', names)).encode()
            + bytes.fromhex(data),
        )
        for way, head, names, data in examples
    ]
    assert [frame for way, frame in written if way == "<"] == [
        JSONV2.reply("5", "16", "room:bin", "ok", b"\1\2\3")[1],
        JSONV2.push("1", "room:a", "binpush", b"\1\2\3")[1],
        JSONV2.broadcast("room:a", "bb", b"\7\7")[1],
    ]
    [sent] = [frame for way, frame in written if way == ">"]
    message = JSONV2.decode(BINARY, sent)
    assert (message.join_ref, message.ref, message.topic, message.event) == (
        "1",
        "17",
        "room:a",
        "data",
    )
    assert bytes(message.payload) == b"\1\2\3"


def test_vectors_of_tokens_verify() -> None:
    """The tokens of §8.6 are valid for the data beside them."""
    secret, now = "abcdefgh" * 8, 1_700_000_000
    rows = table(PAGE_TEXT.split("### 8.6 ")[1].split("\n## ")[0])
    assert len(rows) == 12
    for data, _, text in rows:
        written = data.split("`")[1].replace("−", "-")
        expected = None if written == "nil" else json.loads(written)
        assert token.verify(secret, "user socket", text.strip("`"), now=now) == expected
