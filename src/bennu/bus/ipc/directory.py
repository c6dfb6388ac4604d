"""The private directory in which the processes of one user find each other.

Theory of operation
-------------------
Each node listens on a socket in the directory, ``<node>.sock``. A node binds its socket under another name, listens, and
then renames it. So each ``.sock`` that is seen has a listener, or its process is dead.

Only the user may enter the directory: it must belong to the user, and have the mode 0700. A directory or a socket that
is a symbolic link, or that belongs to another user, is refused. The kernel says which user is at the other end of a
connection (SO_PEERCRED), and each node checks that, in both directions.

The socket of a dead process stays. The next node that tries to connect finds that nobody listens, and removes it. Between
that and the removal, a new process could bind the same name. So a removal and a renaming hold a lock on the directory.
A process can be stopped while it holds the lock, so nobody waits long for it.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ...errors import DefinitionError

if sys.platform != "win32":
    import fcntl  # on Windows this module can be imported, and says that it can't be used

__all__ = ["BACKLOG", "Directory", "is_name", "peer_of", "safe_name"]

SUFFIX: Final = ".sock"
MAX_PATH: Final = 107
"""Bytes of the path of a Unix socket: the limit of Linux without its final zero byte."""

BACKLOG: Final = 1024
"""Connections that wait to be accepted, at most."""

LOCK_TRIES: Final = 100
LOCK_PAUSE: Final = 0.01
"""Seconds between two tries to get the lock."""

_NAME = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,63}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.@-]+")
_CREDENTIALS = struct.Struct("3i")


class Directory:
    """The directory, and the sockets in it.

    Args:
        path: The directory. It is made if it is missing; its parent must exist.
    """

    __slots__ = ("_bound", "_fd", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._fd = -1
        self._bound: os.stat_result | None = None

    def open(self, node: str) -> None:
        """Make and check the directory.

        Args:
            node: The name of this node.

        Raises:
            DefinitionError: The directory or the name can't be used.
        """
        self._check_platform()
        self._check_name(node)
        try:
            with suppress(FileExistsError):
                self.path.mkdir(0o700)
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            link = " (a symbolic link is refused)" if self.path.is_symlink() else ""
            raise self._refusal(
                "a directory, or a path whose parent is a directory",
                f"{error.strerror}{link}",
                f"mkdir -m 700 {self.path}",
            ) from error
        try:
            self._check_owner(os.fstat(fd))
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def close(self) -> None:
        """Close the directory. A second call has no effect."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def fd(self) -> int:
        """The file descriptor; -1 if the directory is closed."""
        return self._fd

    # Sockets.

    def listen(self, node: str) -> socket.socket:
        """Return a socket that listens under the name of a node.

        Raises:
            DefinitionError: Another process has this name.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        hidden = f".{node}.new"  # no longer than the final name
        try:
            listener.setblocking(False)
            with suppress(FileNotFoundError):
                os.unlink(hidden, dir_fd=self._fd)
            listener.bind(os.fspath(self.path / hidden))
            os.chmod(hidden, 0o600, dir_fd=self._fd)
            listener.listen(BACKLOG)
            with self._locked():
                self._check_free(node)
                os.rename(hidden, node + SUFFIX, src_dir_fd=self._fd, dst_dir_fd=self._fd)
                self._bound = self._look(node)
        except BaseException:
            listener.close()
            with suppress(OSError):
                os.unlink(hidden, dir_fd=self._fd)
            raise
        return listener

    def is_bound(self, node: str) -> bool:
        """Return whether this node's socket is still in the directory."""
        with suppress(OSError):
            return self._bound is not None and os.path.samestat(self._look(node), self._bound)
        return False

    def unbind(self, node: str) -> None:
        """Remove this node's socket, unless another process has the name now."""
        with suppress(OSError), self._locked():
            if self.is_bound(node):
                os.unlink(node + SUFFIX, dir_fd=self._fd)
        self._bound = None

    def names(self) -> tuple[set[str], set[str]]:
        """Return the nodes whose sockets are here, and the entries that are refused: no sockets of this user."""
        nodes: set[str] = set()
        refused: set[str] = set()
        for entry in os.listdir(self._fd):
            name = entry.removesuffix(SUFFIX)
            if name == entry:
                continue
            with suppress(FileNotFoundError):
                good = is_name(name) and _is_own_socket(self._look(name))
                (nodes if good else refused).add(name)
        return nodes, refused

    def connect(self, node: str) -> socket.socket:
        """Return a socket that is connected to a node. It does not wait.

        Raises:
            FileNotFoundError: There is no socket of this name.
            ConnectionRefusedError: The process is dead.
            BlockingIOError: Too many connections wait to be accepted.
            PermissionError: The socket is no socket, or another user has it.
        """
        if not _is_own_socket(self._look(node)):
            raise PermissionError(f"{self.path / (node + SUFFIX)} is no socket of this user")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(os.fspath(self.path / (node + SUFFIX)))
            peer_of(connection.fileno())
        except BaseException:
            connection.close()
            raise
        return connection

    def remove_stale(self, node: str) -> bool:
        """Remove the socket of a dead process. Return whether it was removed."""
        with suppress(OSError), self._locked(tries=1) as is_locked:
            if is_locked and self._is_dead(node):
                os.unlink(node + SUFFIX, dir_fd=self._fd)
                return True
        return False

    def _is_dead(self, node: str) -> bool:
        try:
            self.connect(node).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    def _look(self, node: str) -> os.stat_result:
        return os.stat(node + SUFFIX, dir_fd=self._fd, follow_symlinks=False)

    @contextmanager
    def _locked(self, tries: int = LOCK_TRIES) -> Generator[bool]:
        """Hold the lock, and yield whether it is held: a process that is stopped must not stop the others."""
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            yield _try_lock(fd, tries)
        finally:
            os.close(fd)

    # Checks.

    def _check_platform(self) -> None:
        if not hasattr(socket, "SO_PEERCRED"):
            raise self._refusal(
                "Linux, whose kernel says which user is at the other end of a socket",
                f"the platform {os.uname().sysname}" if hasattr(os, "uname") else os.name,
                'a broker, for example "redis://localhost"',
            )

    def _check_name(self, node: str) -> None:
        if not is_name(node):
            raise self._refusal(
                "a node name of at most 64 ASCII letters, digits, '_', '-', '.' and '@'",
                repr(node),
                f'a name such as "{safe_name(node)}"',
            )
        length = len(os.fsencode(self.path / (node + SUFFIX)))
        if length > MAX_PATH:
            raise self._refusal(
                f"a directory with a shorter path: the path of a Unix socket has at most {MAX_PATH} bytes",
                f"{length} bytes with the socket's name {node + SUFFIX!r}",
                f"a path such as ipc:///tmp/bennu-{os.getuid()}",
            )

    def _check_owner(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise self._refusal(
                f"a directory of the user {os.geteuid()}, who runs this process",
                f"a directory of the user {found.st_uid}",
                f"a path of your own, such as ipc:///tmp/bennu-{os.geteuid()}",
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise self._refusal(
                "a directory that nobody else may enter: mode 0700",
                f"mode {mode:04o}",
                f"chmod 700 {self.path}",
            )

    def _check_free(self, node: str) -> None:
        try:
            self.connect(node).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except BlockingIOError:
            got = f"the name {node!r}, which a living process has"
        except PermissionError as error:
            got = str(error)
        else:
            got = f"the name {node!r}, which a living process has"
        raise self._refusal(
            "a name for each node that no other node has",
            got,
            "another name, or none: then Bennu makes one",
        )

    def _refusal(self, expected: str, got: str, write: str) -> DefinitionError:
        return DefinitionError(f"ipc://{self.path}", expected=expected, got=got, write=write)


def is_name(name: str) -> bool:
    """Return whether a node can have this name. Such a name is one file in the directory, and no path."""
    return _NAME.fullmatch(name) is not None


def safe_name(name: str) -> str:
    """Return a name that is like another one, and that a node can have."""
    return _UNSAFE.sub("-", name).strip("-.")[:64] or "web-1"


def peer_of(fd: int) -> int:
    """Return the process id at the other end of a connection.

    Args:
        fd: The file descriptor of the connection.

    Raises:
        PermissionError: The other end belongs to another user.
    """
    with socket.socket(fileno=os.dup(fd)) as connection:  # the sockets of uvloop can't be asked
        pid, user, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
    if user != os.geteuid():
        raise PermissionError(f"the process {pid} at its other end belongs to the user {user}")
    return int(pid)


def _is_own_socket(found: os.stat_result) -> bool:
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


def _try_lock(fd: int, tries: int) -> bool:
    for remaining in range(tries - 1, -1, -1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if remaining:
                time.sleep(LOCK_PAUSE)
        else:
            return True
    return False
