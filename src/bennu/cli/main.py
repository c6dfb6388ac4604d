"""``bennu run module:endpoint``."""

from __future__ import annotations

import copy
import importlib
import os
import socket
import ssl
import sys
import sysconfig
import traceback
from typing import Any

import click
from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.supervisors import ChangeReload

from .._protocol.forwarded import TrustedProxies
from ..endpoint import Endpoint
from ..errors import DefinitionError
from .heads import DEFAULT_BODY_TIMEOUT, DEFAULT_BOUNDS, HeadBounds
from .server import BennuProtocol, Config
from .serving import Server

__all__ = ["main"]

READABLE = click.Path(exists=True, dir_okay=False, readable=True)
LEVELS = ("critical", "error", "warning", "info", "debug", "trace")


@click.group()
@click.version_option(package_name="bennu")
def main() -> None:
    """Phoenix Channels for Python."""


@main.command()
@click.argument("target", metavar="MODULE:ENDPOINT")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=4000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--reload", is_flag=True, help="Start again when a Python file changes.")
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(LEVELS),
    help="How much is logged.",
)
@click.option("--access-log/--no-access-log", default=True, help="Whether requests are logged.")
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds from being told to stop to the end, at most.",
)
@click.option(
    "--drain-delay",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds of them in which load balancers may notice, before clients are let go.",
)
@click.option("--ssl-certfile", type=READABLE, help="The certificate (PEM): serves https and wss.")
@click.option("--ssl-keyfile", type=READABLE, help="Its key, if that is in a file of its own.")
@click.option(
    "--ssl-keyfile-password",
    envvar="BENNU_SSL_KEYFILE_PASSWORD",
    show_envvar=True,
    help="What the key is encrypted with.",
)
@click.option(
    "--ssl-ca-certs",
    type=READABLE,
    help="Authorities (PEM): clients must have a certificate of one of them.",
)
@click.option(
    "--handshake-timeout",
    default=DEFAULT_BOUNDS.timeout,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that the head of a request may take; then it is answered 408.",
)
@click.option(
    "--handshake-bytes",
    default=DEFAULT_BOUNDS.max_bytes,
    show_default=True,
    type=click.IntRange(min=1),
    help="Bytes that it may have; a larger one is answered 414 or 431.",
)
@click.option(
    "--body-timeout",
    default=DEFAULT_BODY_TIMEOUT,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds in which a body must bring 500 bytes each; else it is answered 408.",
)
@click.option(
    "--trusted-proxies",
    default="",
    metavar="ADDRESS,...",
    envvar="BENNU_TRUSTED_PROXIES",
    show_envvar=True,
    help="Proxies whose X-Forwarded headers count, for the whole application: addresses, networks, unix.",
)
def run(
    target: str,
    host: str,
    port: int,
    log_level: str,
    *,
    reload: bool,
    access_log: bool,
    grace: float,
    drain_delay: float,
    handshake_timeout: float,
    handshake_bytes: int,
    body_timeout: float,
    trusted_proxies: str,
    **certificates: str | None,
) -> None:
    """Serve an endpoint, or an ASGI application that one is mounted in.

    MODULE:ENDPOINT is where it is, for example app:endpoint.
    """
    if drain_delay >= grace:
        raise click.UsageError(f"--drain-delay must be below --grace, which is {grace:g}")
    tls = _tls(**certificates)
    sys.path.insert(0, os.getcwd())
    bounds = HeadBounds(handshake_timeout, handshake_bytes)
    settings = {
        "host": host,
        "port": port,
        "access_log": access_log,
        "head_bounds": bounds,
        "body_timeout": body_timeout,
        "trusted_proxies": _proxies(trusted_proxies),
        **tls,
    }
    if reload:
        os.environ["BENNU_DEBUG"] = "1"
        config = _config(target, log_level, reload=True, **settings)
        listener = config.bind_socket()
        # Inherited by what it accepts. asyncio sets it only on sockets that it opened itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ChangeReload(config, target=Server(config, grace=grace).run, sockets=[listener]).run()
        return
    app = load(target)
    server = Server(_config(app, log_level, **settings), grace=grace, drain_delay=drain_delay)
    server.run()
    if not server.started:
        raise SystemExit(3)
    if server.was_cut_short:
        raise SystemExit(1)


def _config(app: Any, log_level: str, **settings: Any) -> Config:
    return Config(
        app,
        http=BennuProtocol,
        log_level=log_level,
        log_config=log_config(log_level),
        lifespan="on" if isinstance(app, Endpoint) else "auto",
        **settings,
    )


def _proxies(text: str) -> TrustedProxies | None:
    """Return the proxies of the option.

    Raises:
        click.UsageError: One of them is none.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    try:
        return TrustedProxies(entries) if entries else None
    except DefinitionError as error:
        raise click.UsageError(
            f"--trusted-proxies: expected {error.expected}, got {error.got}:"
            " write for example --trusted-proxies 10.0.0.0/8,::1"
        ) from error


def _tls(**options: str | None) -> dict[str, Any]:
    """Return what uvicorn shall be told of certificates.

    Raises:
        click.UsageError: One is missing, or can't be used.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if not given:
        return {}
    if "ssl_certfile" not in given:
        raise click.UsageError("--ssl-certfile is missing: the other options of TLS need it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(
            given["ssl_certfile"],
            given.get("ssl_keyfile"),
            lambda: given.get("ssl_keyfile_password", ""),
        )
        if "ssl_ca_certs" in given:
            context.load_verify_locations(given["ssl_ca_certs"])
            given["ssl_cert_reqs"] = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise click.UsageError(f"the certificate, its key or an authority: {error}") from error
    return given


def log_config(level: str) -> dict[str, Any]:
    """Return uvicorn's logging configuration, with our logger beside its own."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["bennu"] = {
        "handlers": ["default"],
        "level": LOG_LEVELS[level],
        "propagate": False,
    }
    return config


def load(target: str) -> Any:
    """Return what ``module:name`` names.

    Raises:
        click.ClickException: It can't be had; the message says why, and where.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise click.ClickException(
            f"expected MODULE:ENDPOINT, got {target!r}: write for example app:endpoint"
        )
    try:
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except DefinitionError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except AttributeError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except Exception as error:
        raise click.ClickException(f"{type(error).__name__}: {error}{_raised_at(error)}") from error
    if not callable(found):
        raise click.ClickException(f"expected an Endpoint or an ASGI application, got {found!r}")
    return found


def _raised_at(error: Exception) -> str:
    """Return the last line of the user's own that led to an error."""
    ours = os.path.dirname(os.path.dirname(__file__))
    libraries = (
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
        "<frozen",
    )
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, *libraries))
    ]
    if not frames:
        return ""
    frame = frames[-1]
    return f"\n  raised at {frame.filename}:{frame.lineno}: {frame.line}"
