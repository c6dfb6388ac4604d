"""The mistakes in a channel that a user's editor marks: payloads, replies, topic parameters, assigns, ``emits``, handlers.

Each ignore below must be needed: both checkers report an unnecessary ignore.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from dataclasses import dataclass
from typing import Any, Literal, assert_type

from msgspec import Struct

from bennu import Broadcast, Channel, Endpoint, Error, Ok, Reply, Socket, on, on_info, on_out
from bennu.contracts import Contract, ContractChange, ContractPages, asyncapi, compare, contract_of


@dataclass(frozen=True)
class User:
    id: int
    name: str


class NewMsg(Struct):
    body: str


class Message(Struct):
    id: int


class Problem(Struct):
    reason: Literal["locked"]


@dataclass
class Tick:
    number: int


class Room(Channel[User]):
    """Right uses."""

    room_id: int
    emits = {
        "new_msg": Message,
        "either": Message | Problem,
        "list": list[Message],
        "dict": dict[str, Any],
        "raw": bytes,
    }

    @on("say")
    async def say(self, msg: NewMsg) -> Ok[Message] | Error[Problem]:
        assert_type(self.room_id, int)
        assert_type(self.assigns, User)
        if not msg.body:
            return Error(Problem("locked"))
        return Ok(Message(self.room_id))

    @on("bare")
    async def bare(self) -> Ok:
        return Ok()

    @on("status")
    def status(self, payload: NewMsg | None = None) -> Reply[Message]:
        return Reply("queued", Message(1))

    @on_info(Tick)
    async def tick(self, tick: Tick) -> None:
        self.send_self(Tick(tick.number + 1))

    @on_info(Broadcast)
    async def anything(self, message: object) -> None: ...

    @on_out("new_msg")
    async def out(self, payload: Message) -> None:
        await self.push("new_msg", payload)

    async def again(self) -> None:
        await self.tick(Tick(1))
        await self.say(NewMsg("hi"))


class Mistakes(Channel[User]):
    """Each method has a mistake."""

    @on("field")
    async def field(self, msg: NewMsg) -> None:
        assert msg.bodi  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    @on("reply")
    async def reply(self, msg: NewMsg) -> Ok[Message] | Error[Problem]:
        return Ok(Problem("locked"))  # type: ignore[arg-type] # pyright: ignore[reportReturnType]

    @on("refusal")
    async def refusal(self, msg: NewMsg) -> Ok[Message] | Error[Problem]:
        return Error(Message(1))  # type: ignore[arg-type] # pyright: ignore[reportReturnType]

    @on("plain")
    async def plain(self) -> Message:
        return NewMsg("hi")  # type: ignore[return-value] # pyright: ignore[reportReturnType]

    @on("topic")
    async def topic_parameter(self) -> int:
        return self.room_id  # type: ignore[attr-defined, no-any-return] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]

    @on("assigns")
    async def wrong_assigns(self) -> None:
        assert self.assigns.nick  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        self.assigns = "ann"  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]

    @on("payload")
    async def pushes(self) -> None:
        await self.push("new_msg", Message("1"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        await self.push(Message(1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    @on("two")  # type: ignore[type-var] # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
    async def two_payloads(self, first: NewMsg, second: NewMsg) -> None: ...

    @on("named")  # type: ignore[type-var] # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
    async def named(self, *, msg: NewMsg) -> None: ...

    @on_out("new_msg")  # type: ignore[type-var] # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
    async def without_payload(self) -> None: ...

    @on_info(Tick)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    async def other_message(self, message: NewMsg) -> None: ...

    @on("rate", rate=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    async def rate(self) -> None: ...


class EmitsList(Channel[User]):
    emits = ["new_msg"]  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]


class EmitsNumbers(Channel[User]):
    emits = {7: Message}  # type: ignore[dict-item] # pyright: ignore[reportAssignmentType]


class EmitsValue(Channel[User]):
    emits = {"new_msg": Message(1)}  # type: ignore[dict-item] # pyright: ignore[reportAssignmentType]


class Admin(Channel[str]):
    """A channel for other assigns."""


async def connect() -> User:
    return User(1, "ann")


Socket(connect=connect, channels={"admin": Admin})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
endpoint = Endpoint(
    sockets={"/socket": Socket(connect=connect, channels={"room:{room_id}": Room})},
    contracts=ContractPages(),
)
Endpoint(sockets={}, contracts="/contracts")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
contract = contract_of(endpoint)
assert_type(contract, Contract)
assert_type(asyncapi(contract), dict[str, Any])
assert_type(compare({}, {}), list[ContractChange])
