"""Decoder processes, seen from the server: started by the fork server, asked, ended, replaced."""

from __future__ import annotations

import json
import logging
import math
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from zhiyin.audio.isolation import protocol as p
from zhiyin.audio.isolation.fork_server import CONTROL, FORK, KILL, NEVER_STARTED, REPORT, STATUS
from zhiyin.audio.isolation.sandbox import ProcessLimits
from zhiyin.domain.errors import AsrError, Overloaded, Unavailable, UndecodableAudio

log = logging.getLogger(__name__)

SUPPORTED = hasattr(os, "fork") and hasattr(socket, "send_fds")
"""Windows has neither."""


# Isolated: neither the environment nor the current folder decides what is imported.
_PROGRAM = (
    "import json, sys; sys.path[:], limits = json.loads(sys.argv[1]); "
    "from zhiyin.audio.isolation.fork_server import main; main(*limits)"
)
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_REPORT_S = 5.0
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """`max_open` processes at once, each within `limits`; `stall_s` seconds for each answer."""

    max_open: int
    stall_s: float
    limits: ProcessLimits


class DecoderProcesses:
    """Starts decoder processes. Thread-safe. `close` ends them all."""

    def __init__(self, policy: ProcessPolicy) -> None:
        self.policy = policy
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._last = 0
        self._open = 0

    def prepare(self) -> None:
        """Start the fork server, so that the first recording needs not wait for it."""
        with self._lock:
            self._connected()

    def start(self, param: str, longest_stall_s: float = math.inf) -> DecoderProcess:
        """A process for one recording; `close` it. Raises Overloaded, Unavailable.

        `param` is the field of the request that is wrong when the process fails. It may take the
        policy's `stall_s` for an answer, and no more than `longest_stall_s`.
        """
        stall_s = min(self.policy.stall_s, longest_stall_s)
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                if self._open >= self.policy.max_open:
                    raise Overloaded(
                        "The server decodes as many recordings as it can. Try again later.",
                        retry_after_s=5.0,
                    )
                self._last = (self._last + 1) & 0xFFFFFFFF
                self._send_fork(theirs)
                self._open += 1
                return DecoderProcess(self, self._last, ours, param, stall_s)
        except BaseException:
            ours.close()
            raise

    def kill(self, number: int) -> None:
        """End a process; at once, without waiting for it."""
        with self._lock:
            self._open -= 1
            if self._control is not None:
                try:
                    self._control.sendall(CONTROL.pack(KILL, number))
                except OSError:
                    self._disconnect()

    def report(self, number: int) -> int | None:
        """The wait status of a process, which is killed if it has not ended.

        NEVER_STARTED when it could not be forked; None when the fork server itself is gone.
        """
        with self._lock:
            if self._control is None:
                return None
            try:
                self._control.settimeout(_REPORT_S)
                self._control.sendall(CONTROL.pack(REPORT, number))
                answer = self._control.recv(STATUS.size)
                return int(STATUS.unpack(answer)[0])
            except (OSError, struct.error):
                self._disconnect()
                return None

    def close(self) -> None:
        """End the fork server, and with it every process."""
        with self._lock:
            self._disconnect()

    def _send_fork(self, link: socket.socket) -> None:
        message = CONTROL.pack(FORK, self._last)
        try:
            socket.send_fds(self._connected(), [message], [link.fileno()])
        except OSError:
            self._disconnect()
            try:
                socket.send_fds(self._connected(), [message], [link.fileno()])
            except OSError as error:
                raise unavailable() from error

    def _connected(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            self._control.settimeout(_REPORT_S)
            with theirs:
                self._server = self._spawn(theirs)
        return self._control

    def _spawn(self, control: socket.socket) -> subprocess.Popen[bytes]:
        limits = self.policy.limits
        paths = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - '' is a path here
        argument = json.dumps([paths, [limits.memory_bytes, limits.cpu_s]])
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        # One thread each: none may be there when it forks.
        environment = kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-S", "-c", _PROGRAM, argument],
                stdin=control.fileno(), stdout=subprocess.DEVNULL, env=environment, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._disconnect()
            raise unavailable() from error

    def _disconnect(self) -> None:
        control, self._control = self._control, None
        server, self._server = self._server, None
        if control is not None:
            control.close()
        if server is not None:
            server.kill()  # its children die with it
            server.wait()


class DecoderProcess:
    """One process and the socket to it. Used by one thread at a time, but for `kill`."""

    def __init__(
        self,
        processes: DecoderProcesses,
        number: int,
        link: socket.socket,
        param: str,
        stall_s: float,
    ) -> None:
        self._processes = processes
        self._param = param
        self.stall_s = stall_s
        self._number = number
        self._link = link
        self._lock = threading.Lock()
        self._ended = False
        self._used = False
        self._started = False

    def ask(self, *messages: tuple[bytes, bytes], descriptor: int | None = None) -> None:
        """Send messages, the descriptor with the first. Raises UndecodableAudio, Unavailable."""
        with self._using() as link:
            link.settimeout(self.stall_s)
            for kind, body in messages:
                p.send(link, kind, body, descriptor)
                descriptor = None

    def ready(self, within_s: float) -> bool:
        """Whether an answer begins to come within so many seconds, or never will."""
        with self._using() as link:
            poll = select.poll()
            poll.register(link, select.POLLIN)
            return bool(poll.poll(1000 * within_s))

    def stalled(self) -> AsrError:
        """The error of a recording for which no answer came in time; the process is killed."""
        return self._explain(TimeoutError())

    def answer(self, *kinds: bytes) -> tuple[bytes, bytearray]:
        """The next message, of one of these kinds.

        Raises the error that the process reports; UndecodableAudio when it does not answer as it
        should, Unavailable when that is not the recording's fault.
        """
        with self._using() as link:
            if not self._started:
                self._await_start(link)
            kind, body = p.receive(link, p.MAX_ANSWER_BYTES, self.stall_s)
            if kind == p.FAILED:
                raise p.load_failure(body)
            if kind not in kinds:
                raise p.Violation("kind")
            return kind, body

    def failed(self) -> UndecodableAudio:
        """The error of a recording that its process could not decode."""
        return UndecodableAudio(p.UNDECODABLE, param=self._param)

    def kill(self) -> None:
        """End the process; a call in another thread fails at once. Thread-safe, idempotent."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
            if not self._used:
                self._link.close()
        self._processes.kill(self._number)

    def close(self) -> None:
        """The same, at the end."""
        self.kill()

    @contextmanager
    def _using(self) -> Iterator[socket.socket]:
        self._begin_use()
        try:
            yield self._link
        except (OSError, EOFError, p.Violation) as error:
            raise self._explain(error) from error
        finally:
            self._end_use()

    def _begin_use(self) -> None:
        with self._lock:
            if self._ended:
                raise self.failed()
            self._used = True

    def _end_use(self) -> None:
        with self._lock:
            self._used = False
            if self._ended:
                self._link.close()

    def _await_start(self, link: socket.socket) -> None:
        """The time that the fork server takes to start is none of the recording's."""
        kind, _ = p.receive(link, 0, _START_S)
        if kind != p.STARTED:
            raise p.Violation("start")
        self._started = True

    def _had_started(self) -> bool:
        """Of a process that has ended."""
        with suppress(OSError, EOFError, p.Violation):
            if not self._started:
                self._await_start(self._link)
        return self._started

    def _explain(self, error: Exception) -> AsrError:
        if self._ended:  # on purpose
            return self.failed()
        status = self._processes.report(self._number)
        if status is None or status == NEVER_STARTED or not self._had_started():
            log.error("a decoder process could not be started, or has lost its fork server")
            return unavailable()
        log.warning("a decoder process has failed: %s", _reason(error, status))
        return self.failed()


def unavailable() -> Unavailable:
    """No process could be started, whatever the recording."""
    return Unavailable("The server could not start decoding. Try again.", retry_after_s=1.0)


def _reason(error: Exception, status: int) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time and was killed"
    if isinstance(error, p.Violation):
        return f"it sent what it must not ({error})"
    if os.WIFSIGNALED(status):
        return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended with exit code {os.waitstatus_to_exitcode(status)}"
