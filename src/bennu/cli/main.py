"""``bennu run``: the command and its options."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import click
from click.core import ParameterSource
from uvicorn.supervisors import ChangeReload

from ..bus.address import BUS_VARIABLE
from ..endpoint import Endpoint
from ..logs.log import Log, Printed
from ..loop.siblings import same_command
from ..protocol.proxies import TrustedProxies
from .config import Config
from .first_protocol import FirstProtocol
from .head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_LIMITS, HeadLimits
from .lazy_group import LazyGroup
from .listeners import addresses, open_listeners
from .loading import DEFAULT_TARGET, import_from, load
from .log_options import begin_logging, log_options, read_log_options
from .parameters import (
    LEVELS,
    READABLE,
    Descriptor,
    Seconds,
    app_dir_option,
    check_root_path,
    choose_descriptors,
    env_file_option,
    expect_one_address,
    expect_one_process,
    read_proxies,
)
from .reloading import Reloaded
from .server import UvicornServer
from .supervised import serve_with_workers
from .systemd import given_sockets
from .tls import tls_settings

__all__ = ["main"]

log = Log()


@click.group(cls=LazyGroup)
@click.version_option(package_name="bennu")
def main() -> None:
    """Phoenix Channels for Python."""


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
    metavar="NUMBER|NAME",
    type=Descriptor(),
    help="Listen on an inherited open socket instead; NAME is its name in systemd.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    metavar="NUMBER",
    type=click.IntRange(1, 1000),
    envvar="WEB_CONCURRENCY",
    show_envvar=True,
    help="The number of processes that serve.",
)
@click.option(
    "--worker-timeout",
    default=60.0,
    show_default=True,
    type=Seconds(min=0),
    help="Seconds after which a worker whose event loop hangs is replaced; 0 is never.",
)
@app_dir_option
@env_file_option
@click.option(
    "--root-path",
    default="",
    metavar="PATH",
    callback=check_root_path,
    help="The prefix that a proxy removes from all paths.",
)
@click.option("--reload", is_flag=True, help="Start again when a Python file changes.")
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(LEVELS),
    help="The level of the log.",
)
@click.option(
    "--log-config",
    "log_file",
    type=READABLE,
    help="A configuration of Python's logging (JSON, YAML or INI), instead of Bennu's.",
)
@log_options
@click.option("--access-log/--no-access-log", default=True, help="Whether requests are logged.")
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds from the signal to stop to the end of the process.",
)
@click.option(
    "--drain-delay",
    default=0.0,
    show_default=True,
    type=Seconds(min=0),
    help="Seconds of --grace in which load balancers can notice, before clients are closed.",
)
@click.option("--ssl-certfile", type=READABLE, help="The certificate (PEM): serves https and wss.")
@click.option(
    "--ssl-keyfile", type=READABLE, help="The key of the certificate, if it is in another file."
)
@click.option(
    "--ssl-keyfile-password",
    envvar="BENNU_SSL_KEYFILE_PASSWORD",
    show_envvar=True,
    help="The password of an encrypted key.",
)
@click.option(
    "--ssl-ca-certs",
    type=READABLE,
    help="Certificates of authorities (PEM): each client needs a certificate of one of them.",
)
@click.option(
    "--handshake-timeout",
    default=DEFAULT_LIMITS.timeout,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="The most seconds for the head of a request; a later head is answered 408.",
)
@click.option(
    "--handshake-bytes",
    default=DEFAULT_LIMITS.max_bytes,
    show_default=True,
    type=click.IntRange(min=1),
    help="The most bytes of the head of a request; a larger head is answered 414 or 431.",
)
@click.option(
    "--body-timeout",
    default=DEFAULT_BODY_TIMEOUT,
    show_default=True,
    type=Seconds(min=0, min_open=True),
    help="Seconds in which a body must bring 500 bytes per second; a slower body is answered 408.",
)
@click.option(
    "--trusted-proxies",
    default="",
    metavar="ADDRESS,...",
    envvar="BENNU_TRUSTED_PROXIES",
    show_envvar=True,
    callback=read_proxies,
    help="Proxies whose X-Forwarded headers count for the whole application: addresses, networks, unix.",
)
def run(
    target: str | None,
    host: str,
    port: int,
    uds: str | None,
    fd: int | str | None,
    workers: int,
    worker_timeout: float,
    app_dir: str,
    root_path: str,
    log_file: str | None,
    log_level: str,
    *,
    reload: bool,
    log_format: str,
    log_context: bool,
    log_root: str,
    access_log: bool,
    grace: float,
    drain_delay: float,
    handshake_timeout: float,
    handshake_bytes: int,
    body_timeout: float,
    trusted_proxies: TrustedProxies | None,
    **certificates: str | None,
) -> None:
    """Serve an endpoint, or an ASGI application with a mounted endpoint.

    MODULE:ENDPOINT names the application. The default is app:endpoint: the name endpoint in app.py.

    \b
    bennu run                          the endpoint in app.py, on port 4000
    bennu run chat.web:app --reload    start again when a Python file changes
    bennu run --host 0.0.0.0           reachable from other machines
    bennu run --workers 4              four processes, connected with each other
    """
    if drain_delay >= grace:
        raise click.UsageError(f"--drain-delay must be below --grace, which is {grace:g}")
    context = click.get_current_context()
    expect_one_address(context)
    tls = tls_settings(**certificates)
    folder = import_from(app_dir)
    wanted = target or DEFAULT_TARGET
    is_level_given = context.get_parameter_source("log_level") is not ParameterSource.DEFAULT
    descriptors = choose_descriptors(context, fd, given_sockets())
    if reload:
        if workers > expect_one_process(context, workers):
            click.echo(f"--reload serves with one process: WEB_CONCURRENCY={workers} has no effect")
        workers = 1
    host = "" if descriptors else host
    level = log_level if log_file is None or is_level_given else None
    looks = {"log_format": log_format, "log_context": log_context, "log_root": log_root}
    log_config = read_log_options(context, log_level, log_file, **looks)
    settings = {
        "host": host,
        "port": port,
        "root_path": root_path,
        "access_log": access_log,
        "log_level": level,
        "log_config": log_file if log_config is None else log_config(),
        "head_limits": HeadLimits(handshake_timeout, handshake_bytes),
        "body_timeout": body_timeout,
        "trusted_proxies": trusted_proxies,
        **tls,
    }
    command = " ".join(("bennu run", *filter(None, (target,))))
    listeners = open_listeners(host, port, uds=uds, fds=descriptors, command=command)
    make = partial(
        _make,
        wanted,
        folder=folder,
        is_given=target is not None,
        grace=grace,
        reloads=reload,
        drain_delay=0.0 if reload else drain_delay,
    )
    try:
        if reload:
            os.environ["BENNU_DEBUG"] = "1"
            dirs = [os.getcwd(), folder]
            config = _config(wanted, reload=True, reload_dirs=dirs, **settings)
            where = ", ".join(addresses(listeners, host, "https" if config.is_ssl else "http"))
            log.info(
                "Bennu starts again when a Python file changes, running on %s (Press CTRL+C to quit)",
                Printed(where),
            )
            reloaded = Reloaded(partial(make, settings=settings))
            ChangeReload(config, target=reloaded, sockets=listeners).run()
            return
        if workers > 1:
            config = _config(wanted, **settings)  # it configures the log
            _warn_of_others(wanted)
            code = serve_with_workers(
                workers,
                make,
                settings,
                wanted,
                listeners,
                addresses(listeners, host, "https" if config.is_ssl else "http"),
                can_spread=uds is None and not descriptors,
                grace=grace,
                timeout=worker_timeout,
                log_config=log_config,
            )
            raise SystemExit(code)
        server = make(settings=settings)
        _warn_of_others(wanted, server.config.app)
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
    *,
    settings: dict[str, Any],
    folder: str,
    is_given: bool,
    grace: float,
    reloads: bool,
    drain_delay: float,
    make_server: Callable[..., UvicornServer] = UvicornServer,
) -> UvicornServer:
    """Import the application, and make a server for it.

    Raises:
        click.ClickException: The application can't be imported.
    """
    begin_logging(settings["log_config"])
    app = load(target, folder=folder, is_given=is_given)
    return make_server(
        _config(app, **settings), grace=grace, drain_delay=drain_delay, reloads=reloads
    )


def _config(app: Any, **settings: Any) -> Config:
    """Return the configuration of the server.

    Raises:
        click.UsageError: The file of --log-config can't be used.
    """
    lifespan = "on" if isinstance(app, Endpoint) else "auto"
    try:
        return Config(app, http=FirstProtocol, lifespan=lifespan, **settings)
    except Exception as error:
        if not isinstance(settings["log_config"], str):
            raise
        raise click.UsageError(
            f"--log-config {settings['log_config']}: {error}. Expected a configuration of Python's logging:"
            " JSON (.json), YAML (.yaml, needs PyYAML) or INI (any other ending)"
        ) from error


def _warn_of_others(target: str, app: Any = None) -> None:
    """Warn of other processes that serve the same application, if no bus connects this process with them."""
    if os.environ.get(BUS_VARIABLE) or (isinstance(app, Endpoint) and not app.pubsub.is_alone):
        return
    other = same_command(target)
    if other is not None:
        log.warning(
            "Process %d serves %s too: without Endpoint(pubsub=...) a broadcast, a disconnect and a request of"
            " long polling reach the clients of one process only",
            other,
            target,
        )
