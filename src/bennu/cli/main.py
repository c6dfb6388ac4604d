"""``bennu run``: its options, and what each of them means for the server."""

from __future__ import annotations

import copy
import os
import ssl
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import click
from click.core import ParameterSource
from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.supervisors import ChangeReload

from ..endpoint import Endpoint
from ..errors import DefinitionError
from ..logs.log import Log, Printed
from ..loop.siblings import same_command
from ..protocol.proxies import TrustedProxies
from .env_file import parse_env
from .head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_BOUNDS, HeadBounds
from .lines import LineFormatter
from .loading import DEFAULT_TARGET, load
from .opening import addresses, open_listeners
from .reloading import Reloaded
from .server import BennuProtocol, Config
from .serving import UvicornServer

__all__ = ["main"]

log = Log()

READABLE = click.Path(exists=True, dir_okay=False, readable=True)
LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
MAX_SECONDS = 1_000_000.0


class Seconds(click.FloatRange):
    """A time that timers can wait for: neither nan nor inf."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it as a float, or say what is wrong with it."""
        seconds = super().convert(value, param, ctx)
        if not seconds <= MAX_SECONDS:
            self.fail(f"expected at most {MAX_SECONDS:.0f} seconds, got {value}.", param, ctx)
        return seconds


@click.group()
@click.version_option(package_name="bennu")
def main() -> None:
    """Phoenix Channels for Python."""


def _read_env_file(context: click.Context, option: click.Parameter, path: str | None) -> None:
    """Set the variables of a file, before options are read that have variables.

    Raises:
        click.BadParameter: The file can't be read, or is none of variables.
    """
    if path is None or context.resilient_parsing:
        return
    try:
        with open(path, encoding="utf-8") as file:
            variables = parse_env(file.read())
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}", context, option) from error
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _check_root_path(context: click.Context, option: click.Parameter, path: str) -> str:
    """Return a path that the paths of requests can begin with.

    Raises:
        click.BadParameter: It is none.
    """
    if path and not path.startswith("/"):
        raise click.BadParameter(
            f"expected a path, got {path!r}: write for example --root-path /app", context, option
        )
    return path.rstrip("/")


@main.command()
@click.argument("target", metavar="[MODULE:ENDPOINT]", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=4000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option(
    "--fd",
    metavar="NUMBER",
    type=click.IntRange(0),
    help="Listen on an open socket that was inherited.",
)
@click.option(
    "--app-dir",
    default=".",
    type=click.Path(exists=True, file_okay=False),
    help="The folder in which MODULE is looked for; by default this one.",
)
@click.option(
    "--env-file",
    type=READABLE,
    expose_value=False,
    is_eager=True,
    callback=_read_env_file,
    help="A file of variables, NAME=value in each line; those that are set already stay.",
)
@click.option(
    "--root-path",
    default="",
    metavar="PATH",
    callback=_check_root_path,
    help="The path that a proxy takes away from the front of all paths.",
)
@click.option("--reload", is_flag=True, help="Start again when a Python file changes.")
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(LEVELS),
    help="How much is logged.",
)
@click.option(
    "--log-config",
    "log_file",
    type=READABLE,
    help="A configuration of Python's logging (JSON, YAML or INI), instead of Bennu's.",
)
@click.option("--access-log/--no-access-log", default=True, help="Whether requests are logged.")
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="Seconds from being told to stop to the end, at most.",
)
@click.option(
    "--drain-delay",
    default=0.0,
    show_default=True,
    type=Seconds(min=0),
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
    type=Seconds(min=0, min_open=True),
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
    type=Seconds(min=0, min_open=True),
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
    target: str | None,
    host: str,
    port: int,
    uds: str | None,
    fd: int | None,
    app_dir: str,
    root_path: str,
    log_file: str | None,
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

    MODULE:ENDPOINT says where it is; without it, app:endpoint is served: the name endpoint in app.py.

    \b
    bennu run                          the endpoint in app.py, on port 4000
    bennu run chat.web:app --reload    start again when a Python file changes
    bennu run --host 0.0.0.0           reachable from other machines
    """
    if drain_delay >= grace:
        raise click.UsageError(f"--drain-delay must be below --grace, which is {grace:g}")
    context = click.get_current_context()
    _expect_one_address(context)
    tls = _tls(**certificates)
    folder = os.path.abspath(app_dir)
    sys.path.insert(0, folder)
    wanted = target or DEFAULT_TARGET
    is_level_given = context.get_parameter_source("log_level") is not ParameterSource.DEFAULT
    settings = {
        "host": host,
        "port": port,
        "root_path": root_path,
        "access_log": access_log,
        "log_level": log_level if log_file is None or is_level_given else None,
        "log_config": log_config(log_level) if log_file is None else log_file,
        "head_bounds": HeadBounds(handshake_timeout, handshake_bytes),
        "body_timeout": body_timeout,
        "trusted_proxies": _proxies(trusted_proxies),
        **tls,
    }
    command = " ".join(("bennu run", *filter(None, (target,))))
    listeners = open_listeners(host, port, uds=uds, fd=fd, command=command)
    make = partial(
        _make,
        wanted,
        settings,
        folder=folder,
        is_given=target is not None,
        grace=grace,
        reloads=reload,
    )
    try:
        if reload:
            os.environ["BENNU_DEBUG"] = "1"
            dirs = [os.getcwd(), folder]
            config = _config(wanted, reload=True, reload_dirs=dirs, **settings)
            where = ", ".join(addresses(listeners, host, "https" if config.is_ssl else "http"))
            log.info(
                "Bennu starts anew when a Python file changes, running on %s (Press CTRL+C to quit)",
                Printed(where),
            )
            ChangeReload(config, target=Reloaded(make), sockets=listeners).run()
            return
        server = make(drain_delay=drain_delay)
        _warn_of_others(wanted)
        server.run(listeners)
    finally:
        for listener in listeners:
            listener.close()
        if uds is not None:
            with suppress(OSError):
                os.unlink(uds)
    if not server.started:
        raise SystemExit(3)
    if server.was_cut_short:
        raise SystemExit(1)


def _make(
    target: str,
    settings: dict[str, Any],
    *,
    folder: str,
    is_given: bool,
    grace: float,
    reloads: bool,
    drain_delay: float = 0.0,
) -> UvicornServer:
    """Import what is to be served, and make a server for it.

    Raises:
        click.ClickException: It can't be had.
    """
    app = load(target, folder=folder, is_given=is_given)
    return UvicornServer(
        _config(app, **settings), grace=grace, drain_delay=drain_delay, reloads=reloads
    )


def _config(app: Any, **settings: Any) -> Config:
    """Return the settings as uvicorn wants them.

    Raises:
        click.UsageError: The file of --log-config can't be used.
    """
    lifespan = "on" if isinstance(app, Endpoint) else "auto"
    try:
        return Config(app, http=BennuProtocol, lifespan=lifespan, **settings)
    except Exception as error:
        if not isinstance(settings["log_config"], str):
            raise
        raise click.UsageError(
            f"--log-config {settings['log_config']}: {error}. Expected a configuration of Python's logging:"
            " JSON (.json), YAML (.yaml, needs PyYAML) or INI (any other ending)"
        ) from error


def _expect_one_address(context: click.Context) -> None:
    """Refuse several options that say where to listen.

    Raises:
        click.UsageError: There are several.
    """
    given = [
        name
        for name in ("host", "port", "uds", "fd")
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]
    if ("uds" in given or "fd" in given) and len(given) > 1:
        options = " and ".join(f"--{name}" for name in given)
        raise click.UsageError(
            f"{options} exclude each other: write --host and --port, --uds, or --fd"
        )


def _warn_of_others(target: str) -> None:
    """Warn of other processes that serve the same, since no call reaches their clients."""
    workers = os.environ.get("WEB_CONCURRENCY", "1")
    if workers not in ("", "0", "1"):
        log.warning(
            "WEB_CONCURRENCY=%s is set, and bennu run serves with one process: broadcasts, disconnects and"
            " long polling reach the clients of one process only",
            workers,
        )
    other = same_command(target)
    if other is not None:
        log.warning(
            "Process %d serves %s too: a broadcast, a disconnect and a request of long polling reach the"
            " clients of one process only",
            other,
            target,
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
    certificate, key = given["ssl_certfile"], given.get("ssl_keyfile")
    password = given.get("ssl_keyfile_password", "")
    try:
        context.load_cert_chain(certificate, key, lambda: password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        files = f"--ssl-certfile {certificate}" + (f", --ssl-keyfile {key}" if key else "")
        raise click.UsageError(
            f"{files}: expected a certificate and its key in PEM, got an error: {error}"
        ) from error
    if "ssl_ca_certs" in given:
        given["ssl_cert_reqs"] = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(given["ssl_ca_certs"])
        except (OSError, ValueError) as error:
            raise click.UsageError(
                f"--ssl-ca-certs {given['ssl_ca_certs']}: expected certificates of authorities in PEM,"
                f" got an error: {error}"
            ) from error
    return given


def log_config(level: str) -> dict[str, Any]:
    """Return uvicorn's logging configuration, with our logger beside its own."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["()"] = LineFormatter
    config["loggers"]["bennu"] = {
        "handlers": ["default"],
        "level": LOG_LEVELS[level],
        "propagate": False,
    }
    return config
