"""Topic patterns, which find the channel of a topic and the topic's typed parameters.

A pattern is a literal (``lobby``), a prefix (``room:*``, which matches ``room:`` too), or has parameters
(``room:{room_id}``). A parameter matches text up to the next ``:``. The parameter ``{name:path}`` matches the rest of
the topic. The type of a parameter is the channel's annotation. A value matches only in its canonical form:
``build(parse(s)) == s``. So ``room:007`` is not room 7, and no room has two spellings.

Several parameters of one segment need text between them (``{x}-{y}``). The first parameter takes as much text as
possible. A topic is matched from right to left, by searching for the text between parameters. So the time is linear in
the length of the topic, which a client chooses.

Patterns are tried in the order of their declaration (protocol, §2.9). The table is built at start-up. It refuses a
pattern if an earlier pattern matches all its topics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from .errors import DefinitionError

__all__ = ["Pattern", "Table"]

T = TypeVar("T")

_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-z]+))?\}")

_SCALARS: dict[Any, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    str: (str, str),
    int: (int, str),
    UUID: (UUID, str),
}


_FOREIGN = (
    (re.compile(r"\(\?P<(\w+)>[^)]*\)"), "a regular expression"),
    (re.compile(r"<(?:\w+:)?(\w+)>"), "the syntax of Flask and Django"),
    (re.compile(r"(?:^|(?<=[/:])):([a-zA-Z_]\w*)"), "the syntax of Express"),
    (re.compile(r"[$#]\{(\w+)\}"), "the syntax of a template"),
    (re.compile(r"\{(\w+)\?\}"), "an optional parameter"),
)
"""Other frameworks' syntax for parameters, which a pattern of Bennu would take as literal text."""


class _Parameter:
    """One parameter of a pattern.

    Attributes:
        name: The name of the parameter.
        rest: Whether the parameter takes the rest of the topic.
        parse: Returns the value of a text; raises ValueError for a text without a value.
        build: Returns the text of a value.
    """

    __slots__ = ("build", "name", "parse", "rest")

    def __init__(self, name: str, *, rest: bool) -> None:
        self.name = name
        self.rest = rest
        self.parse: Callable[[str], Any] = str
        self.build: Callable[[Any], str] = str

    def convert(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            ValueError: The text is not the canonical form of a value.
        """
        value = self.parse(text)
        if self.build(value) != text:
            raise ValueError(text)
        return value


class _Segment:
    """The part of a pattern between two colons: text, and parameters with text between them."""

    __slots__ = ("head", "tails")

    def __init__(self, head: str, tails: Sequence[str]) -> None:
        self.head = head
        """The text before the first parameter; the whole text if there is no parameter."""
        self.tails = tuple(tails)
        """The text behind each parameter."""

    def split(self, text: str) -> list[str] | None:
        """Return the texts of the parameters; None if the text doesn't match.

        From right to left each parameter takes as little text as possible, so the first takes as much as possible.
        """
        if not self.tails:
            return [] if text == self.head else None
        last = self.tails[-1]
        if not (text.startswith(self.head) and text.endswith(last)):
            return None
        start, end = len(self.head), len(text) - len(last)
        found: list[str] = []
        for tail in self.tails[-2::-1]:
            position = text.rfind(tail, start, max(start, end - 1))
            if position < 0:
                return None
            found.append(text[position + len(tail) : end])
            end = position
        if end <= start:
            return None
        found.append(text[start:end])
        return found[::-1]


class Pattern:
    """One compiled pattern.

    Args:
        text: The pattern, as the user declared it.

    Raises:
        DefinitionError: The text is no valid pattern.

    Example:
        >>> pattern = Pattern("room:{room_id}")
        >>> pattern.bind({"room_id": int})
        >>> pattern.match("room:7"), pattern.match("room:007"), pattern.match("lobby")
        ({'room_id': 7}, None, None)
    """

    __slots__ = ("_segments", "parameters", "prefix", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parameters: tuple[_Parameter, ...] = ()
        self._segments: tuple[_Segment, ...] = ()
        _refuse_foreign(text)
        if "{" in text or "}" in text:
            self.prefix = text.partition("{")[0]
            self._compile_parameters()
            return
        if "*" in text[:-1]:
            raise _bad_pattern(text, "'*' before the end", f'"{text.partition("*")[0]}*"')
        self.prefix = text.removesuffix("*")

    @property
    def is_prefix(self) -> bool:
        """Whether the pattern ends with a star."""
        return self.text.endswith("*") and not self.parameters

    def _compile_parameters(self) -> None:
        if "*" in self.text:
            raise _bad_pattern(
                self.text, "a star and parameters in one pattern", 'use "{rest:path}" for the rest'
            )
        if re.search("[{}]", _PARAMETER.sub("", self.text)):
            raise _bad_pattern(
                self.text, "a brace that belongs to no parameter", '"room:{room_id}"'
            )
        parameters: list[_Parameter] = []
        for found in _PARAMETER.finditer(self.text):
            name, kind = found.groups()
            if kind not in (None, "path"):
                raise _bad_pattern(
                    self.text,
                    f"the type {kind!r} in the pattern (types come from the annotation)",
                    f'"{self.text.replace(":" + kind, "")}" and `{name}: {kind}` in the class',
                )
            if any(name == earlier.name for earlier in parameters):
                raise _bad_pattern(
                    self.text, f"{{{name}}} twice", "another name for each parameter"
                )
            rest = kind == "path"
            if rest and found.end() != len(self.text):
                raise _bad_pattern(self.text, f"text after {{{name}:path}}", "put it at the end")
            parameters.append(_Parameter(name, rest=rest))
        self.parameters = tuple(parameters)
        # Without their types, parameters hold no colon, so the text can be split into segments.
        plain = self.text.removesuffix(":path}") + "}" if parameters[-1].rest else self.text
        self._segments = tuple(self._read_segment(one) for one in plain.split(":"))

    def _read_segment(self, text: str) -> _Segment:
        head, *pieces = _PARAMETER.split(text)
        tails = pieces[
            2::3
        ]  # the pieces of each parameter: its name, its kind, and the text behind it
        if "" in tails[:-1]:
            raise _bad_pattern(
                self.text,
                "two parameters with no text between them, so the end of the first is unknown",
                '"room:{x}-{y}" or "room:{x}:{y}"',
            )
        if len(tails) > 1 and self.parameters[-1].name == pieces[-3] and self.parameters[-1].rest:
            raise _bad_pattern(
                self.text,
                f"another parameter in the segment of {{{pieces[-3]}:path}}",
                '"room:{x}:{rest:path}"',
            )
        return _Segment(head, tails)

    def bind(self, annotations: Mapping[str, Any], *, where: str | None = None) -> None:
        """Give each parameter its type.

        Args:
            annotations: The resolved annotations of the channel class, by name.
            where: The name of the channel class, for the error. Default: None.

        Raises:
            DefinitionError: An annotation is missing, or is no type that text can be converted to.
        """
        for parameter in self.parameters:
            if parameter.name not in annotations:
                raise DefinitionError(
                    f'the topic pattern "{self.text}" has a parameter that the channel lacks',
                    expected=f"an annotation for {parameter.name!r} in the channel class",
                    got="none",
                    write=f"{parameter.name}: int",
                    where=where,
                )
            parameter.parse, parameter.build = _converter(
                annotations[parameter.name], self.text, parameter.name, where
            )

    def match(self, topic: str) -> dict[str, Any] | None:
        """Return the parameters of a topic; None if the topic doesn't match. A pattern without parameters gives ``{}``."""
        if not self.parameters:
            if self.is_prefix:
                return {} if topic.startswith(self.prefix) else None
            return {} if topic == self.text else None
        if not topic.startswith(self.prefix):
            return None
        segments = self._segments
        # A `path` parameter takes the rest, colons included; else topic and pattern have equally many colons.
        texts = topic.split(":", len(segments) - self.parameters[-1].rest)
        if len(texts) != len(segments):
            return None
        found: list[str] = []
        for segment, text in zip(segments, texts, strict=True):
            values = segment.split(text)
            if values is None:
                return None
            found += values
        try:
            return {
                parameter.name: parameter.convert(text)
                for parameter, text in zip(self.parameters, found, strict=True)
            }
        except ValueError:
            return None

    def build(self, **values: Any) -> str:
        """Return the topic with these parameters: the inverse of :meth:`match`."""
        written = {one.name: one.build(values[one.name]) for one in self.parameters}
        return _PARAMETER.sub(lambda found: written[found[1]], self.text)

    def covers(self, other: Pattern) -> bool:
        """Return whether this pattern is known to match every topic of another pattern."""
        if self.text == other.text:
            return True
        return self.is_prefix and other.prefix.startswith(self.prefix)


def _converter(
    annotation: Any, pattern: str, name: str, where: str | None
) -> tuple[Callable[[str], Any], Callable[[Any], str]]:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if (
        isinstance(annotation, type)
        and issubclass(annotation, Enum)
        and all(isinstance(member.value, str) for member in annotation)
    ):
        return annotation, lambda member: str(member.value)
    if get_origin(annotation) is Literal and all(isinstance(a, str) for a in get_args(annotation)):
        allowed = frozenset(get_args(annotation))

        def parse(text: str) -> str:
            if text not in allowed:
                raise ValueError(text)
            return text

        return parse, str
    raise DefinitionError(
        f'the parameter {name!r} of the topic pattern "{pattern}" has a type that text can\'t become',
        expected="str, int, uuid.UUID, an Enum of text or a Literal of text",
        got=f"{annotation!r}",
        write=f"{name}: int",
        where=where,
    )


def _refuse_foreign(text: str) -> None:
    """Refuse another framework's syntax for a parameter.

    Raises:
        DefinitionError: The pattern has such a parameter.
    """
    for regex, got in _FOREIGN:
        found = regex.search(text)
        if found is not None:
            name = found[1]
            written = regex.sub(lambda match: f"{{{match[1]}}}", text)
            raise _bad_pattern(
                text,
                f"{found[0]}, {got}",
                f'"{written}", and `{name}: int` in the channel class for its type',
            )


def _bad_pattern(text: str, got: str, write: str) -> DefinitionError:
    return DefinitionError(
        f'"{text}" is no topic pattern',
        expected='a literal, a prefix and one "*" at the end, or "{name}" parameters',
        got=got,
        write=write,
    )


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A pattern and its target."""

    pattern: Pattern
    target: T


class Table(Generic[T]):
    """The patterns of a socket, in order of declaration.

    Args:
        rows: Each pattern and its target.

    Raises:
        DefinitionError: A pattern can never match, because an earlier pattern matches all its topics.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Iterable[tuple[Pattern, T]]) -> None:
        self.rows: list[Row[T]] = []
        for pattern, target in rows:
            for earlier in self.rows:
                if earlier.pattern.covers(pattern):
                    raise DefinitionError(
                        f'the topic pattern "{pattern.text}" can never match',
                        expected="the narrower pattern first",
                        got=f'"{earlier.pattern.text}" before it, which matches all its topics',
                        write=f'"{pattern.text}" before "{earlier.pattern.text}"',
                    )
            self.rows.append(Row(pattern, target))

    def resolve(self, topic: str) -> tuple[T, dict[str, Any]] | None:
        """Return the target and the parameters of a topic; None if no pattern matches."""
        for row in self.rows:
            parameters = row.pattern.match(topic)
            if parameters is not None:
                return row.target, parameters
        return None
