"""The options of metrics: ``Endpoint(metrics=Metrics(...))``."""

from __future__ import annotations

from typing import Final

from ..errors import DefinitionError
from ..secret_key import MIN_SECRET, Secret, secrets_of
from ..user_code.options import TEXT, options

__all__ = ["Metrics", "given_metrics"]

EXAMPLE: Final = 'token=os.environ["METRICS_TOKEN"]'


@options(path=TEXT)
class Metrics:
    """Metrics for Prometheus, as a page of the endpoint.

    Without a token only programs on the same machine get the page: requests from a loopback address, for a loopback name, that
    no proxy has forwarded.

    Args:
        path: The path of the page, relative to the endpoint's mount. Default: ``"/metrics"``.
        token: The token that a request must bring, as ``Authorization: Bearer <token>``: at least 20 bytes. During a rotation
            several. Default: None.

    Raises:
        DefinitionError: The path does not begin with a slash, or a token can't be used.

    Example:
        >>> Metrics(token="a token of at least 20 bytes").path
        '/metrics'
    """

    def __init__(self, path: str = "/metrics", *, token: Secret | None = None) -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise DefinitionError(
                "Metrics(path)",
                expected="a path that begins with / and does not end with one",
                got=repr(path),
                write='metrics="/metrics"',
            )
        self.path = path
        self.tokens = () if token is None else _tokens(token)


def _tokens(token: Secret) -> tuple[bytes, ...]:
    """Return the tokens.

    Raises:
        DefinitionError: A token can't be used. The error does not show it.
    """
    expected = f"a token of at least {MIN_SECRET} visible ASCII characters, or several"
    try:
        tokens = tuple(secrets_of(token))
    except (TypeError, ValueError):
        raise DefinitionError(
            "Metrics(token=...)", expected=expected, got="no such token", write=EXAMPLE
        ) from None
    if any(not one.isascii() or min(one) <= 32 or 127 in one for one in tokens):
        raise DefinitionError(
            "Metrics(token=...)",
            expected=expected,
            got="a token that no header can carry",
            write=EXAMPLE,
        )
    return tokens


def given_metrics(given: Metrics | str | None) -> Metrics | None:
    """Return the options of ``Endpoint(metrics=...)``: a path alone means the defaults."""
    return Metrics(given) if isinstance(given, str) else given
