"""Requests to JetStream, on one connection to one server.

A request has an inbox of its own, because a driver does not see the subject of a message. A connection never outlives its
server, so the id of the server (:attr:`JetStreamDriver.server`) is that of all its answers from a single server.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from ...bus.nats.address import NATSAddress
from ...bus.nats.driver import NATSDriver
from ...errors import EncodeError, StoreUnavailable

__all__ = [
    "CONFLICT",
    "DUPLICATES",
    "NOT_FOUND",
    "JetStreamDriver",
    "Kept",
    "RefusedRequest",
    "split",
]

NOT_FOUND: Final = (10037, 10059)
"""The codes of JetStream for a message and a stream that are not there."""

CONFLICT: Final = (10071, 10164)
"""The codes for another last sequence than was expected, and for another request of the same kind that is in flight."""

DUPLICATES: Final = 10201
"""The code for a batch with a message that was stored before."""

IN_PROCESS: Final = 10158
"""The code for a message that another request is about to store."""

HEADER: Final = b"NATS/1.0"


class Kept(NamedTuple):
    """A message in a stream.

    Attributes:
        sequence: Its number in the stream.
        data: Its bytes.
        pending: How many messages of its subject follow; -1 if the request does not tell.
        previous: The number of the message before it in the same answer; 0 for the first.
    """

    sequence: int
    data: bytes
    pending: int = -1
    previous: int = 0


class RefusedRequest(StoreUnavailable):
    """JetStream has refused a request.

    Attributes:
        code: The code of JetStream.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"JetStream has refused: {text}")
        self.code = code


class _Asked:
    """A request without its whole answer."""

    __slots__ = ("answers", "done", "is_many")

    def __init__(self, done: asyncio.Future[None], *, is_many: bool) -> None:
        self.done = done
        self.is_many = is_many
        self.answers: list[tuple[dict[bytes, bytes], bytes]] = []


class JetStreamDriver(NATSDriver):
    """A driver that also asks JetStream.

    Args:
        address: The address.
        client: The name of this client in the server's monitoring.
    """

    __slots__ = ("_asked", "_asking", "_inbox")

    def __init__(self, address: NATSAddress, client: str) -> None:
        super().__init__(address, client, headers=True)
        self._inbox = f"_INBOX.{secrets.token_hex(8)}".encode()
        self._asked = itertools.count()
        self._asking: dict[bytes, _Asked] = {}

    @property
    def server(self) -> str:
        """The id of the server, which is new at each start of the server."""
        return self._connected().info.server_id

    @property
    def is_clustered(self) -> bool:
        """Whether the server is one of a cluster."""
        return self._connected().info.cluster is not None

    # Questions.

    async def api(self, name: str, question: Mapping[str, object]) -> dict[str, Any]:
        """Call the API of JetStream.

        Raises:
            RefusedRequest: JetStream has refused.
            OSError: The connection has ended.
        """
        [(_, answer)] = await self._ask(
            [(f"$JS.API.{name}", {}, msgspec.json.encode(question))], is_many=False
        )
        return _checked(answer)

    async def store(
        self, subject: str, messages: Sequence[tuple[Mapping[str, str], bytes]]
    ) -> dict[str, Any]:
        """Store messages under one subject, all or none, and return the answer.

        Args:
            subject: The subject.
            messages: The headers and the bytes of each message.

        Raises:
            EncodeError: A message is too large for the server.
            RefusedRequest: JetStream has refused.
            OSError: The connection has ended.
        """
        if len(messages) == 1:
            frames = [(subject, messages[0][0], messages[0][1])]
        else:
            batch = secrets.token_hex(12)
            frames = [
                (
                    subject,
                    {**headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": f"{number}"}
                    | ({"Nats-Batch-Commit": "1"} if number == len(messages) else {}),
                    data,
                )
                for number, (headers, data) in enumerate(messages, 1)
            ]
        [(_, answer)] = await self._ask(frames, is_many=False)
        return _checked(answer)

    async def last(self, stream: str, subject: str) -> Kept | None:
        """Return the last message of a subject, from the leader of the stream."""
        try:
            answer = await self.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        except RefusedRequest as error:
            if error.code == NOT_FOUND[0]:
                return None
            raise
        message = answer["message"]
        return Kept(message["seq"], base64.b64decode(message.get("data", "")))

    async def following(
        self, stream: str, subject: str, first: int, count: int, max_bytes: int
    ) -> list[Kept]:
        """Return the messages of a subject from a number on, as one replica of the stream has them at one moment."""
        question = {
            "seq": first,
            "next_by_subj": subject,
            "batch": count,
            "max_bytes": max_bytes,
        }
        frame: tuple[str, dict[str, str], bytes] = (
            f"$JS.API.DIRECT.GET.{stream}",
            {},
            msgspec.json.encode(question),
        )
        found: list[Kept] = []
        for headers, data in await self._ask([frame], is_many=True):
            if b"Nats-Sequence" in headers:
                previous = found[-1].sequence if found else 0
                found.append(
                    Kept(
                        int(headers[b"Nats-Sequence"]),
                        data,
                        int(headers[b"Nats-Num-Pending"]),
                        previous,
                    )
                )
        return found

    async def _ask(
        self, frames: Sequence[tuple[str, Mapping[str, str], bytes]], *, is_many: bool
    ) -> list[tuple[dict[bytes, bytes], bytes]]:
        """Publish messages, and return the answers to the last one."""
        connection, number = self._connected(), next(self._asked)
        sid, inbox = b"q%d" % number, b"%b.%d" % (self._inbox, number)
        written = [b"SUB %b %b\r\n" % (inbox, sid)]
        for index, (subject, headers, data) in enumerate(frames, 1):
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = b"%b\r\n%b\r\n" % (HEADER, lines.encode())
            if len(head) + len(data) > connection.info.max_payload:
                raise EncodeError(
                    f"a message has {len(data):,} bytes: the server takes at most {connection.info.max_payload:,}"
                    " with its headers (max_payload)"
                )
            reply = inbox if index == len(frames) else b""
            place = subject.encode()
            written.append(
                b"HPUB %b %b %d %d\r\n%b%b\r\n"
                % (place, reply, len(head), len(head) + len(data), head, data)
            )
        waiting = self._asking[sid] = _Asked(connection.waiter(), is_many=is_many)
        try:
            connection.write(b"".join(written))
            await waiting.done
        finally:
            del self._asking[sid]
            waiting.done.cancel()
            if connection is self._connection:
                with suppress(Exception):  # the connection has ended, and the subscription with it
                    connection.write(b"UNSUB %b\r\n" % sid)
        return waiting.answers

    def _take(self, sid: bytes, reply: bytes, data: bytes) -> None:
        waiting = self._asking.get(sid)
        if waiting is None:
            if not sid.startswith(b"q"):
                super()._take(sid, reply, data)
            return
        headers, body = split(data)
        waiting.answers.append((headers, body))
        if (not waiting.is_many or b"Status" in headers) and not waiting.done.done():
            status = headers.get(b"Status", b"")
            if status and status[:3] not in (b"204", b"404"):
                waiting.done.set_exception(RefusedRequest(int(status[:3]), _explain(status)))
            else:
                waiting.done.set_result(None)


def split(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the headers of a message, with its status as ``Status``, and its bytes."""
    if not data.startswith(HEADER):
        return {}, data
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name] = value.strip()
    status = first[len(HEADER) :].strip()
    if status:
        headers[b"Status"] = status
    return headers, body


def _explain(status: bytes) -> str:
    if status.startswith(b"503"):
        return "nobody answers: the server has no JetStream, or the stream has no leader now"
    return status.decode(errors="replace")


def _checked(answer: bytes) -> dict[str, Any]:
    try:
        read: dict[str, Any] = msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise RefusedRequest(0, "the answer is no JSON") from error
    error_of = read.get("error")
    if error_of is not None:
        raise RefusedRequest(error_of.get("err_code", 0), error_of.get("description", ""))
    return read
