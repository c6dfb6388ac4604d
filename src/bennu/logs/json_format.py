"""Writes each line of the log as one JSON object, for programs that collect logs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from .context import ATTRIBUTE, context_of
from .hiding import SECRET_TERMS, ParameterFilter
from .log import shape_of
from .printable import CUT, MAX_BITS, MAX_DEPTH, printable
from .queries import ACCESS, LOGGERS, shown_value
from .tracebacks import MAX_MESSAGE, traceback_of

__all__ = ["JSONFormatter"]

MAX_EXTRA: Final = 1000
"""Characters of a value in ``extra`` that is no text, number or container."""

_USUAL: Final = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys()
    | {"message", "asctime", "taskName", "color_message", ATTRIBUTE}
)
"""The attributes of each record. All others are what ``extra=`` has added."""

_encode = msgspec.json.Encoder().encode


class JSONFormatter(logging.Formatter):
    """A formatter that writes one JSON object a line. No text of a client can add a line or a field.

    The fields are ``time`` (UTC), ``level``, ``logger``, ``message``, ``process``, and where they are known ``worker``,
    ``kind`` (the text of the line without its values), ``connection_id``, ``user_id``, ``topic``, ``event``,
    ``channel``, ``trace_id``, ``span_id``, ``exception`` (``type``, ``message``, ``traceback``), ``stack``, ``request``
    (of uvicorn's access log), and ``extra`` (what your code has passed as ``extra=``, without secrets).

    Args:
        worker: The name of the worker in each line; default none.
        filter_parameters: Hides values of ``extra``, as ``Endpoint(filter_parameters=...)`` does for parameters.

    Example:
        >>> record = logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "Sold %s", "args": ("tea",)})
        >>> msgspec.json.decode(JSONFormatter().format(record))["kind"]
        'Sold …'
    """

    def __init__(
        self,
        worker: str = "",
        filter_parameters: ParameterFilter | Sequence[str] = SECRET_TERMS,
    ) -> None:
        super().__init__()
        self._worker = worker
        if not isinstance(filter_parameters, ParameterFilter):
            filter_parameters = ParameterFilter(filter_parameters)
        self._hide = filter_parameters

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON of a line."""
        when = datetime.fromtimestamp(record.created, UTC)
        args: Any = record.args
        if record.name in LOGGERS and isinstance(args, tuple):
            args = tuple(map(shown_value, cast("tuple[Any, ...]", args)))
        text = str(record.msg)
        message = text % args if args else text
        fields: dict[str, Any] = {
            "time": f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": message,
        }
        if args:
            fields["kind"] = shape_of(text)
        fields["process"] = record.process
        if self._worker:
            fields["worker"] = self._worker
        fields.update(self._hide(dict(context_of(record))))
        if record.name == ACCESS:
            fields.update(_request(args))
        fields.update(_exception(record))
        extra = {name: value for name, value in vars(record).items() if name not in _USUAL}
        if extra:
            fields["extra"] = _plain(self._hide(extra), 0)
        return _line(fields)


def _request(args: Any) -> dict[str, Any]:
    """Return the field of a line of uvicorn's access log: client, method, path, HTTP version and status."""
    if not isinstance(args, tuple) or len(cast("tuple[Any, ...]", args)) != 5:
        return {}
    client, method, path, version, status = cast("tuple[Any, ...]", args)
    request = {
        "client": client,
        "method": method,
        "path": path,
        "version": version,
        "status": status,
    }
    return {"request": _plain(request, 0)}


def _exception(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a line with a traceback."""
    found: dict[str, Any] = {}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        kind = type(error)
        found["exception"] = {
            "type": f"{kind.__module__}.{kind.__qualname__}",
            "message": printable(error, MAX_MESSAGE),
            "traceback": record.exc_text or traceback_of(error),
        }
    elif record.exc_text:
        found["exception"] = {"traceback": record.exc_text}
    if record.stack_info:
        found["stack"] = record.stack_info
    return found


def _plain(value: Any, depth: int) -> Any:
    """Return a value that JSON can carry: containers, text, numbers; everything else as printable text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if type(value) is float or (type(value) is int and value.bit_length() < MAX_BITS // 4):
        return value
    if depth < MAX_DEPTH and isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {printable(key): _plain(inner, depth + 1) for key, inner in entries.items()}
    if depth < MAX_DEPTH and isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in cast("list[Any]", value)]
    return CUT if depth >= MAX_DEPTH else printable(value, MAX_EXTRA)


def _line(fields: dict[str, Any]) -> str:
    """Return the JSON of the fields. A character that a terminal would obey is escaped, without changing its meaning."""
    try:
        line = _encode(fields).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        line = _encode(_encodable(fields)).decode()
    return line if line.isprintable() else "".join(map(_escaped, line))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {_encodable(key): _encodable(inner) for key, inner in entries.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in cast("list[Any]", value)]
    return value


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
