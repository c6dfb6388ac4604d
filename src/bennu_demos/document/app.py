"""The application: the page, and the endpoint that the page connects to.

    bennu run bennu_demos.document.app:app
    bennu run bennu_demos.document.app:app --workers 4

The documents are in the file ``document/documents.db`` in the folder of the demos.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pycrdt import Doc, Text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bennu import Endpoint, Presence, Rates, Socket
from bennu.bus import BusAdapter
from bennu.telemetry import BusMessagesLost
from bennu_demos.data import data_folder
from bennu_demos.page import page_of

from .channels import DocumentChannel
from .documents import MAX_STATE, Documents, WhoIsHere
from .keys import id_of, new_key
from .store import Store, open_store

__all__ = ["app", "endpoint", "make", "with_page"]

HERE = Path(__file__).parent
MAX_DOCUMENTS: Final = 10_000

WELCOME: Final = "welcome"
"""The key of a document that every visitor knows. The page has a link to it."""

TEXT: Final = (HERE / "welcome.txt").read_text()


def connect() -> None:
    """Accept every client. The key of a document says what a client may do there."""


socket = Socket(
    connect=connect,
    channels={"doc:{document_id}": DocumentChannel},
    max_channels=4,
    max_frame_size=2 * MAX_STATE,  # a page that was offline sends all that it wrote in one frame
    max_unsent=8 * MAX_STATE,  # a page gets a whole document in one frame
    # A page that sends more is read more slowly. A rate of messages would refuse some of them, and what a page writes
    # after an update that was refused can't be merged.
    rates=Rates(joins="20/10s", bytes="128k/second, burst 4M"),
)


def make(database: Path, *, pubsub: BusAdapter | None = None) -> Endpoint:
    """Make the endpoint.

    Args:
        database: The path of a file of SQLite, which all processes share.
        pubsub: The bus. None means the one that the environment names.
    """
    presence = Presence()

    @asynccontextmanager
    async def open_documents(endpoint: Endpoint) -> AsyncGenerator[Documents, None]:
        """Open the database when the server starts, and close it when it stops."""
        async with open_store(database) as store:
            await add_welcome(store)
            documents = Documents(endpoint, store, presence)
            detach = endpoint.telemetry.attach(documents.lost, BusMessagesLost)
            try:
                yield documents
            finally:
                detach()
                await documents.stop()

    return Endpoint(
        sockets={"/socket": socket},
        presence=presence,
        pubsub=pubsub,
        messages=[WhoIsHere],
        lifespan=open_documents,
    )


async def add_welcome(store: Store) -> None:
    """Add the first document, unless it is there."""
    document = id_of(WELCOME)
    if await store.create(document):
        doc: Doc[Any] = Doc({"text": Text(TEXT)})
        await store.append(document, doc.get_update())


def with_page(endpoint: Endpoint) -> Starlette:
    """Return the application: the page, and the path that adds a document."""

    async def create(_request: Request) -> JSONResponse:
        """Add a document, and return its id and its key. The key is told only here."""
        documents: Documents = endpoint.state
        if await documents.store.count() >= MAX_DOCUMENTS:
            return JSONResponse({"reason": "too_many_documents"}, status_code=507)
        key = new_key()
        await documents.store.create(id_of(key))
        return JSONResponse({"id": id_of(key), "key": key}, status_code=201)

    return page_of(HERE / "static", Route("/documents", create, methods=["POST"]))


endpoint = make(data_folder("document") / "documents.db")

# The endpoint answers its own path, and the page answers all others.
app = endpoint.wrap(with_page(endpoint))
