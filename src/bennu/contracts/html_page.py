"""The contract as one HTML page, without a script. Pure, but for the libraries that make the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from .frames import shown
from .model import (
    EMPTY,
    NOTHING,
    ChannelContract,
    ClientEvent,
    Contract,
    ReplyContract,
    ServerEvent,
    SocketContract,
)
from .names import channel_keys, slug
from .schemas import Schemas, schemas_of
from .table import channel_facts, event_facts, socket_facts
from .type_text import type_text
from .typescript_types import declaration

__all__ = ["html_page"]

WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CODE: Final = re.compile(r"``(.+?)``|`(.+?)`")

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} {version}: the contract</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<header class="top">
<h1>{title} <span class="version">{version}</span></h1>
<p class="files"><a href="asyncapi.json">AsyncAPI</a> <a href="contract.d.ts">TypeScript</a> <a href="contract.py">Python</a></p>
</header>
<div class="columns">
<nav aria-label="Topics">
{nav}
</nav>
<main>
{main}
</main>
</div>
</body>
</html>
"""


def html_page(contract: Contract) -> str:
    """Return the page of a contract.

    Args:
        contract: The contract.
    """
    writer = _PageWriter(contract)
    return PAGE.format(
        title=escape(contract.title),
        version=escape(contract.version),
        nav=writer.nav(),
        main=writer.main(),
    )


class _PageWriter:
    """Writes the parts of the page.

    Args:
        contract: The contract.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._schemas: Schemas = schemas_of(contract)
        self._keys = {id(channel): key for key, _, channel in channel_keys(contract)}

    def nav(self) -> str:
        """Return the list of the topics and types."""
        parts: list[str] = []
        for socket in self._contract.sockets:
            links = [
                f'<li><a href="#{self._anchor(one)}"><code>{escape(one.pattern)}</code></a></li>'
                for one in socket.channels
            ]
            parts.append(f"<h2><code>{escape(socket.path)}</code></h2><ul>{''.join(links)}</ul>")
        if self._schemas.components:
            links = [
                f'<li><a href="#type-{escape(slug(one))}">{escape(one)}</a></li>'
                for one in self._schemas.components
            ]
            parts.append(f'<h2>Types</h2><ul class="types">{"".join(links)}</ul>')
        return "\n".join(parts)

    def main(self) -> str:
        """Return the sockets, and the types."""
        parts = [self._socket(one) for one in self._contract.sockets]
        if not parts:
            parts = ["<p>The endpoint has no socket.</p>"]
        if self._schemas.components:
            parts.append(f"<section><h2>Types</h2>{''.join(self._types())}</section>")
        return "\n".join(parts)

    # Sockets and channels.

    def _anchor(self, channel: ChannelContract) -> str:
        return f"topic-{escape(self._keys[id(channel)])}"

    def _socket(self, socket: SocketContract) -> str:
        paths = ", ".join(f"<code>{escape(one)}</code>" for one in socket.transports.values())
        facts = [one for one in socket_facts(socket) if not one.startswith("connect(")]
        params = f'<p class="signature"><code>connect({self._linked(socket.params)})</code></p>'
        channels = "".join(self._channel(one) for one in socket.channels)
        raw = "<p>A raw socket: it has no topics.</p>" if socket.is_raw else ""
        return (
            f'<section class="socket"><h2><code>{escape(socket.path)}</code></h2><p>{paths}</p>{params}'
            f"{_text(socket.text)}{raw}{_facts(facts)}{_reasons(socket)}{channels}</section>"
        )

    def _channel(self, channel: ChannelContract) -> str:
        parameters = "".join(
            f"<li><code>{escape(one.name)}: {self._linked(one.type)}</code></li>"
            for one in channel.parameters
        )
        events = [self._client_event("join", channel.join)]
        events += [self._client_event("in", one) for one in channel.events]
        if channel.takes_any is not None:
            other = ClientEvent("any other event", Any, channel.takes_any)
            events.append(self._client_event("in", other))
        events += [self._server_event(one) for one in channel.sends]
        events += [_undeclared(one) for one in channel.undeclared]
        return (
            f'<section class="topic" id="{self._anchor(channel)}">'
            f"<h3><code>{escape(channel.pattern)}</code> <span>{escape(channel.name)}</span></h3>"
            f"{_text(channel.text)}"
            + (f'<ul class="facts">{parameters}</ul>' if parameters else "")
            + f"{_facts(channel_facts(channel))}{''.join(events)}</section>"
        )

    # Events.

    def _client_event(self, way: str, event: ClientEvent) -> str:
        name = "" if way == "join" else f" <code>{escape(event.name)}</code>"
        types = self._linked(event.payload)
        answer = self._answer(event.reply)
        signature = f"{types} &rarr; {answer}" if answer else types
        return (
            f'<article class="{way}"><h4><span class="way">{way}</span>{name}'
            f' <code class="signature">{signature}</code></h4>{_text(event.text)}'
            f"{_facts(event_facts(event))}{_reasons(event)}</article>"
        )

    def _server_event(self, event: ServerEvent) -> str:
        origin = (
            ""
            if event.origin.name == "DECLARED"
            else f'<p class="origin">{_inline(event.origin.meaning)}</p>'
        )
        return (
            f'<article class="out"><h4><span class="way">out</span> <code>{escape(event.name)}</code>'
            f' <code class="signature">{self._linked(event.payload)}</code></h4>{origin}</article>'
        )

    def _answer(self, reply: ReplyContract) -> str:
        kinds: list[str] = []
        if reply.ok is not NOTHING:
            kinds.append("{}" if reply.ok == EMPTY else self._linked(reply.ok))
        if reply.other is not NOTHING:
            kinds.append(f"Reply[{self._linked(reply.other)}]")
        if reply.error is not NOTHING:
            kinds.append(f"Error[{self._linked(reply.error)}]")
        if kinds and not reply.is_certain:
            kinds.append("no reply")
        return " | ".join(kinds)

    # Types.

    def _linked(self, annotation: Any) -> str:
        """Return a type as HTML, with a link to each type of the application in it."""

        def link(found: re.Match[str]) -> str:
            name = found[0]
            if name not in self._schemas.components:
                return name
            return f'<a href="#type-{slug(name)}">{name}</a>'

        return WORD.sub(link, escape(type_text(annotation), quote=False))

    def _types(self) -> Iterable[str]:
        names: Mapping[str, str] = {one: one for one in self._schemas.components}
        for name, schema in self._schemas.components.items():
            text = declaration(name, schema, names)
            yield f'<div class="type" id="type-{slug(name)}"><pre><code>{escape(text)}</code></pre></div>'


def _undeclared(name: str) -> str:
    return (
        f'<article class="out wrong"><h4><span class="way">out</span> <code>{escape(name)}</code></h4>'
        "<p>The source sends it, and <code>emits</code> does not name it: an error in development.</p></article>"
    )


def _facts(facts: Iterable[str]) -> str:
    found = "".join(f"<li>{escape(one)}</li>" for one in facts)
    return f'<ul class="facts">{found}</ul>' if found else ""


def _reasons(refused: ClientEvent | SocketContract) -> str:
    own = [(one, "a reason of the application") for one in refused.refusals]
    of_bennu = [(one.text, shown(one)) for one in refused.reasons]
    rows = [
        f"<dt><code>{escape(text)}</code></dt><dd>{_inline(meaning)}</dd>"
        for text, meaning in (*own, *of_bennu)
    ]
    if not rows:
        return ""
    words = "1 reason" if len(rows) == 1 else f"{len(rows)} reasons"
    return (
        f"<details><summary>Can be refused with {words}</summary><dl>{''.join(rows)}</dl></details>"
    )


def _text(text: str) -> str:
    """Return a docstring as paragraphs."""
    parts = [one for one in re.split(r"\n\s*\n", text.strip()) if one]
    return "".join(f"<p>{_inline(' '.join(one.split()))}</p>" for one in parts)


def _inline(text: str) -> str:
    return CODE.sub(lambda found: f"<code>{found[1] or found[2]}</code>", escape(text, quote=False))
