"""The page that leads to all demos: ``bennu demo all`` serves it, and each demo beside it.

The variable ``BENNU_DEMO_PORTS`` has the ports of the demos that run: ``chat=4001 board=4002``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ..catalog import DEMOS
from ..page import page_of

__all__ = ["PORTS_VARIABLE", "app"]

HERE: Final = Path(__file__).parent
PORTS_VARIABLE: Final = "BENNU_DEMO_PORTS"


async def demos(_request: Request) -> JSONResponse:
    """List the demos, with the ports of those that run."""
    pairs = (pair.partition("=") for pair in os.environ.get(PORTS_VARIABLE, "").split())
    ports = {name: int(port) for name, _, port in pairs}
    return JSONResponse(
        [
            {"name": one.name, "title": one.title, "text": one.text, "port": ports.get(one.name)}
            for one in DEMOS
        ]
    )


async def picture(request: Request) -> Response:
    """Return the picture of a demo."""
    name = request.path_params["name"]
    if name not in {one.name for one in DEMOS}:
        return Response(status_code=404)
    path = HERE.parent / name / "picture.png"
    return FileResponse(path) if path.exists() else Response(status_code=404)


app = page_of(
    HERE / "static",
    Route("/demos.json", demos),
    Route("/pictures/{name}.png", picture),
)
