"""For a Phoenix application beside Bennu: its tokens (Phoenix.Token), its session cookie, its CSRF tokens.

    from bennu.phoenix import PlugSession, csrf, token

Nothing in Bennu outside of this package imports it.
"""

from .. import csrf
from . import token
from .session import PlugSession

__all__ = ["PlugSession", "csrf", "token"]
