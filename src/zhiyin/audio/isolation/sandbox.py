"""What a decoder process may do: nothing but compute, and answer over the sockets it has.

The resource limits hold on every POSIX system. The rest is Linux: each part is used where the
kernel permits it to an unprivileged process, and missing parts are no error.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LINUX = sys.platform == "linux"
_SET_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES = 1, 38  # prctl
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000  # unshare
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446  # system calls, the same on all architectures
# By version of Landlock: the rights to files that it knows (docs.kernel.org/userspace-api/landlock)
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_CONNECT_AND_BIND, _SIGNALS_AND_ABSTRACT_SOCKETS = 3, 3
_FILES = 16
_OOM_SCORE = "500"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Bytes of writable memory, and seconds of processor time, of one decoder process."""

    memory_bytes: int
    cpu_s: int


def leave_network() -> None:
    """A namespace without networks, for this process and its children; single-threaded only."""
    if not _LINUX:
        return
    with suppress(OSError):  # when memory is short, a decoder goes before the server
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    library = ctypes.CDLL(None)
    if library.unshare(_NEW_USER | _NEW_NETWORK | _NEW_IPC):
        library.unshare(_NEW_NETWORK | _NEW_IPC)


def confine(limits: ProcessLimits) -> None:
    """Limit this process for good: memory, time, files; no privileges, files, signals to others."""
    import resource

    data = getattr(resource, "RLIMIT_DATA", resource.RLIMIT_AS)
    for number, value in (
        (data, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(OSError, ValueError):  # the hard limit may be lower already
            resource.setrlimit(number, (value, value))
    if _LINUX:
        library = ctypes.CDLL(None)
        library.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _landlock(library)


def die_with_parent(parent: int) -> None:
    """This process is killed when its parent ends, however that happens."""
    if _LINUX:
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _landlock(library: ctypes.CDLL) -> None:
    """No file can be opened, no process outside be traced or signalled, nothing connected to."""
    version = library.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return
    rights = (_FILE_RIGHTS.get(version, _FILE_RIGHTS[5]), _CONNECT_AND_BIND,
              _SIGNALS_AND_ABSTRACT_SOCKETS)  # fmt: skip
    known = 3 if version >= 6 else 2 if version >= 4 else 1
    attributes = struct.pack(f"={known}Q", *rights[:known])
    rules = library.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if rules >= 0:
        library.syscall(_LANDLOCK_RESTRICT, rules, 0)
        os.close(rules)
