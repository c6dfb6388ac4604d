"""The options of ``bennu run`` about TLS: checked before the application is imported."""

from __future__ import annotations

import ssl
from typing import Any

import click

__all__ = ["tls_settings"]


def tls_settings(**options: str | None) -> dict[str, Any]:
    """Return uvicorn's settings for certificates.

    Args:
        options: ``ssl_certfile``, ``ssl_keyfile``, ``ssl_keyfile_password`` and ``ssl_ca_certs``; None if not given.

    Raises:
        click.UsageError: A file is missing, or can't be used.
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
