"""Topic patterns: the topics that they match, their parameters, and the patterns that are refused at start-up."""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DefinitionError
from bennu.topic import Pattern, Table

from .support.linear import assert_linear
from .support.properties import property_test, texts


class Color(Enum):
    """An enum of texts, which can be a topic's parameter."""

    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    """An enum whose values are no text."""

    LOW = 1


def bound(text: str, **annotations: Any) -> Pattern:
    """Return a pattern whose parameters have these types."""
    pattern = Pattern(text)
    pattern.bind(annotations)
    return pattern


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("lobby", "lobby", True),
        ("lobby", "lobby2", False),
        ("lobby", "Lobby", False),
        ("lobby", "", False),
        ("", "", True),
        ("", "a", False),
        ("room:*", "room:1", True),
        ("room:*", "room:1:2", True),
        ("room:*", "room:", True),
        ("room:*", "room:\n", True),
        ("room:*", "room", False),
        ("room:*", "rooms:1", False),
        ("*", "anything", True),
        ("*", "", True),
        ("a.c", "abc", False),
    ],
)
def test_a_literal_matches_itself_and_a_prefix_whatever_begins_with_it(
    pattern: str, topic: str, matches: bool
) -> None:
    """A star matches empty text too. No character of a pattern is a regular expression."""
    assert (Pattern(pattern).match(topic) is not None) is matches


@pytest.mark.parametrize(
    ("pattern", "annotations", "topic", "parameters"),
    [
        ("room:{n}", {"n": int}, "room:7", {"n": 7}),
        ("room:{n}", {"n": int}, "room:-7", {"n": -7}),
        ("room:{n}", {"n": int}, "room:0", {"n": 0}),
        ("room:{n}", {"n": int}, "room:007", None),
        ("room:{n}", {"n": int}, "room:+7", None),
        ("room:{n}", {"n": int}, "room:-0", None),
        ("room:{n}", {"n": int}, "room: 7", None),
        ("room:{n}", {"n": int}, "room:7\n", None),
        ("room:{n}", {"n": int}, "room:1_000", None),
        ("room:{n}", {"n": int}, "room:\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("room:{n}", {"n": int}, "room:x", None),
        ("room:{n}", {"n": int}, "room:", None),
        ("room:{n}", {"n": int}, "room:7:8", None),
        ("room:{n}", {"n": int}, "room:" + "9" * 5000, None),
        ("room:{s}", {"s": str}, "room:a b\n", {"s": "a b\n"}),
        ("room:{s}", {"s": str}, "room:a:b", None),
        ("room:{s}", {"s": str}, "room:", None),
        ("a:{x}:{y}", {"x": int, "y": str}, "a:1:b", {"x": 1, "y": "b"}),
        ("a:{x}:z", {"x": int}, "a:1:z", {"x": 1}),
        ("a:{x}:z", {"x": int}, "a:1:y", None),
        ("a.{x}", {"x": int}, "ab1", None),
        ("files:{p:path}", {"p": str}, "files:a/b:c\nd", {"p": "a/b:c\nd"}),
        ("files:{p:path}", {"p": str}, "files:", None),
        ("{p:path}", {"p": str}, "all:of:it", {"p": "all:of:it"}),
        (
            "doc:{u}",
            {"u": UUID},
            "doc:12345678-1234-5678-1234-567812345678",
            {"u": UUID("12345678-1234-5678-1234-567812345678")},
        ),
        ("doc:{u}", {"u": UUID}, "doc:12345678123456781234567812345678", None),
        ("doc:{u}", {"u": UUID}, "doc:ABCDEF78-1234-5678-1234-567812345678", None),
        ("doc:{u}", {"u": UUID}, "doc:{12345678-1234-5678-1234-567812345678}", None),
        ("c:{c}", {"c": Color}, "c:red", {"c": Color.RED}),
        ("c:{c}", {"c": Color}, "c:RED", None),
        ("c:{c}", {"c": Literal["a", "b"]}, "c:b", {"c": "b"}),
        ("c:{c}", {"c": Literal["a", "b"]}, "c:c", None),
    ],
)
def test_a_parameter_matches_one_segment_in_its_canonical_form_only(
    pattern: str, annotations: dict[str, Any], topic: str, parameters: dict[str, Any] | None
) -> None:
    """No room has two spellings. Only ``{name:path}`` matches a colon."""
    assert bound(pattern, **annotations).match(topic) == parameters


@property_test
@given(number=st.integers(), name=texts, rest=st.text(min_size=1))
def test_build_is_the_inverse_of_match(number: int, name: str, rest: str) -> None:
    """A topic that a pattern builds is matched by the pattern, also with braces in values."""
    pattern = bound("a:{n}:{s}:{r:path}", n=int, s=str, r=str)
    name = name.replace(":", "") or "{r}"
    topic = pattern.build(n=number, s=name, r=rest)

    assert topic == f"a:{number}:{name}:{rest}"
    assert pattern.match(topic) == {"n": number, "s": name, "r": rest}


@property_test
@given(topic=st.text() | st.integers().map(str) | st.uuids().map(str) | st.from_regex(r"[+-]?\d+"))
def test_what_matches_is_built_back_to_the_very_same_topic(topic: str) -> None:
    """``build(match(topic)) == topic`` for each topic that matches, and no topic raises an error."""
    for kind in (int, str, UUID, Color, Literal["a", "b"]):
        pattern = bound("{p:path}", p=kind)
        found = pattern.match(topic)
        if found is not None:
            assert pattern.build(**found) == topic


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a*b", "'*' before the end"),
        ("**", "'*' before the end"),
        ("room:{id}:*", "a star and parameters in one pattern"),
        ("room:{id:int}", "the type 'int' in the pattern (types come from the annotation)"),
        ("room:{id}:{id}", "{id} twice"),
        ("room:{id:path}:tail", "text after {id:path}"),
        ("room:{", "a brace that belongs to no parameter"),
        ("room:}", "a brace that belongs to no parameter"),
        ("room:{}", "a brace that belongs to no parameter"),
        ("room:{1st}", "a brace that belongs to no parameter"),
        ("a}b:{id}", "a brace that belongs to no parameter"),
        ("a{b:{id}", "a brace that belongs to no parameter"),
        ("{{id}}", "a brace that belongs to no parameter"),
    ],
)
def test_text_that_is_no_pattern_is_refused_with_the_reason(text: str, complaint: str) -> None:
    """The error quotes the pattern, and says what to write."""
    with pytest.raises(DefinitionError) as raised:
        Pattern(text)

    assert raised.value.subject == f'"{text}" is no topic pattern'
    assert raised.value.got == complaint
    assert raised.value.write


def test_a_type_in_the_pattern_is_answered_with_where_types_go() -> None:
    """Users of other frameworks write ``{id:int}``."""
    with pytest.raises(DefinitionError) as raised:
        Pattern("room:{id:int}")

    assert raised.value.write == '"room:{id}" and `id: int` in the class'


def test_a_parameter_without_an_annotation_is_refused() -> None:
    """The error names the parameter and the class, and has the line to write."""
    with pytest.raises(DefinitionError) as raised:
        Pattern("room:{room_id}").bind({"other": int}, where="RoomChannel")

    assert raised.value.expected == "an annotation for 'room_id' in the channel class"
    assert raised.value.write == "room_id: int"
    assert raised.value.where == "RoomChannel"


@pytest.mark.parametrize(
    "annotation",
    [float, bool, bytes, list[int], int | None, Annotated[int, "x"], Literal[1], Level, Any],
)
def test_an_annotation_that_text_can_not_become_is_refused(annotation: Any) -> None:
    """An enum whose values are numbers could never match, so it is refused."""
    with pytest.raises(DefinitionError) as raised:
        bound("room:{n}", n=annotation)

    assert raised.value.got == repr(annotation)
    assert "'n'" in raised.value.subject


@pytest.mark.conformance("SK001", "SK002")
def test_the_first_declared_pattern_that_matches_wins() -> None:
    """The first pattern in order of declaration wins. Without a match the result is None."""
    table = Table([(Pattern("food*"), "food"), (Pattern("foo*"), "foo")])

    assert table.resolve("food:1") == ("food", {})
    assert table.resolve("foo:1") == ("foo", {})
    assert table.resolve("bar") is None


def test_a_pattern_whose_parameter_does_not_fit_leaves_the_topic_to_the_next() -> None:
    """``room:007`` does not match ``{room_id}`` as an int, but the next pattern can match it."""
    table = Table([(bound("room:{n}", n=int), "number"), (Pattern("room:*"), "rest")])

    assert table.resolve("room:7") == ("number", {"n": 7})
    assert table.resolve("room:007") == ("rest", {})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("room:*", "room:*"),
        ("room:1", "room:1"),
        ("room:*", "room:1"),
        ("room:*", "room:lobby*"),
        ("room:*", "room:{n}"),
        ("*", "{p:path}"),
        ("*", ""),
    ],
)
def test_a_pattern_that_can_never_match_is_refused(first: str, second: str) -> None:
    """An earlier pattern matches all topics of this pattern. The error says to change the order."""
    with pytest.raises(DefinitionError) as raised:
        Table([(bound(first, n=int, p=str), 1), (bound(second, n=int, p=str), 2)])

    assert raised.value.subject == f'the topic pattern "{second}" can never match'
    assert raised.value.write == f'"{second}" before "{first}"'


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("room:1", "room:*"),
        ("room:lobby*", "room:*"),
        ("room:{n}", "room:*"),
        ("room:1", "room:2"),
        ("room:{n}", "room:1"),
        ("ab*", "a"),
    ],
)
def test_patterns_that_leave_something_to_the_next_are_accepted(first: str, second: str) -> None:
    """A table keeps its rows in order."""
    table = Table([(bound(first, n=int), 1), (bound(second, n=int), 2)])

    assert [row.pattern.text for row in table.rows] == [first, second]


@pytest.mark.parametrize(
    ("pattern", "topic", "parameters"),
    [
        ("at:{x}-{y}", "at:1-2", {"x": "1", "y": "2"}),
        ("at:{x}-{y}", "at:1-2-3", {"x": "1-2", "y": "3"}),
        ("at:{x}-{y}", "at:1--", {"x": "1", "y": "-"}),
        ("at:{x}-{y}", "at:---", {"x": "-", "y": "-"}),
        ("at:{x}-{y}", "at:--", None),
        ("at:{x}-{y}", "at:-", None),
        ("at:{x}-{y}", "at:12", None),
        ("at:{x}-{y}", "at:1:2-3", None),
        ("at:{x}--{y}.", "at:a---b.", {"x": "a-", "y": "b"}),
        ("at:{x}--{y}.", "at:a---b", None),
        ("{x}b{y}b{z}", "bbbbb", {"x": "b", "y": "b", "z": "b"}),
        ("{x}b{y}b{z}", "bbbb", None),
        ("v{x}:{y}.{z}:w", "v1:2.3:w", {"x": "1", "y": "2", "z": "3"}),
        ("v{x}:{y}.{z}:w", "v1:2.3:", None),
        ("f/{r:path}", "f/a:b", {"r": "a:b"}),
        ("f/{r:path}", "f/", None),
    ],
)
def test_parameters_of_one_segment_are_parted_by_the_text_between_them(
    pattern: str, topic: str, parameters: dict[str, str] | None
) -> None:
    """The first parameter takes as much text as possible, and none is empty."""
    names = {"x": str, "y": str, "z": str, "r": str}
    assert bound(pattern, **names).match(topic) == parameters


@property_test
@given(topic=st.text(alphabet="ab-:", max_size=12), pattern=st.text(alphabet="ab-:{}", max_size=9))
def test_a_pattern_matches_what_the_greedy_regular_expression_would(
    topic: str, pattern: str
) -> None:
    """The matcher's result is that of a greedy regular expression."""
    names = iter("uvwxyz")
    text = re.sub(r"\{\}", lambda _: "{" + next(names) + "}", pattern)
    try:
        ours = bound(text, **dict.fromkeys("uvwxyz", str)).match(topic)
    except DefinitionError:
        return
    pieces = re.split(r"\{(\w)\}", text)
    regex = "".join("([^:]+)" if n % 2 else re.escape(one) for n, one in enumerate(pieces))
    found = re.fullmatch(regex, topic, re.DOTALL)
    assert (None if found is None else tuple(found.groups())) == (
        None if ours is None else tuple(ours.values())
    )


@pytest.mark.parametrize(
    ("text", "worst"),
    [
        ("{x}-{y}-{z}.", "-"),
        ("{x}ab{y}ab{z}:q", "ab"),
        ("a{x}a{y}a", "a"),
        ("{x}:{y}-{z}:{r:path}", "-"),
        ("{r:path}", ":"),
    ],
)
def test_a_topic_is_matched_in_linear_time(text: str, worst: str) -> None:
    """A client chooses the topic, so twice the topic must take at most about twice the time."""
    pattern = bound(text, **dict.fromkeys("xyzr", str))
    length = 1_000_000 // len(worst)

    assert_linear(lambda n: partial(pattern.match, worst * n), length)


@pytest.mark.parametrize(
    ("text", "got", "write"),
    [
        ("room:<int:room_id>", "<int:room_id>, the syntax of Flask and Django", "room:{room_id}"),
        ("room:<room_id>", "<room_id>, the syntax of Flask and Django", "room:{room_id}"),
        ("room/:id", ":id, the syntax of Express", "room/{id}"),
        ("room::id", ":id, the syntax of Express", "room:{id}"),
        (":id", ":id, the syntax of Express", "{id}"),
        ("room:${id}", "${id}, the syntax of a template", "room:{id}"),
        ("room:#{id}", "#{id}, the syntax of a template", "room:{id}"),
        ("room:{id?}", "{id?}, an optional parameter", "room:{id}"),
        ("room:(?P<id>[0-9]+)", "(?P<id>[0-9]+), a regular expression", "room:{id}"),
    ],
)
def test_other_frameworks_patterns_are_refused_with_ours(text: str, got: str, write: str) -> None:
    """Other frameworks' syntax would only match itself, and every join would be answered with "unmatched topic"."""
    with pytest.raises(DefinitionError) as raised:
        Pattern(text)

    assert raised.value.got == got
    assert f'"{write}"' in raised.value.write


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("room:{x}{y}", "two parameters with no text between them"),
        ("room:{x}-{rest:path}", "another parameter in the segment of {rest:path}"),
    ],
)
def test_parameters_that_could_end_anywhere_are_refused(text: str, got: str) -> None:
    """Two parameters without text between them are refused: several values would be possible."""
    with pytest.raises(DefinitionError) as raised:
        Pattern(text)

    assert got in raised.value.got
