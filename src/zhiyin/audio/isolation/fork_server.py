"""Fork server of the decoder processes: it has what they need, and no secrets.

It starts anew (not forked from the server), imports the decoder once, and never reads a byte of a
recording itself. A fork of it takes a millisecond, so every recording gets a process that no other
one has used. It ends when its control socket does, and its children with it.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import socket
import struct
import wave
from contextlib import suppress
from typing import NoReturn

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation.child import serve
from zhiyin.audio.isolation.sandbox import ProcessLimits, confine, die_with_parent, leave_network
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.source import AudioSource

CONTROL = struct.Struct("<cI")
"""What is asked for, and the number of the process."""

STATUS = struct.Struct("<i")
FORK, KILL, REPORT = b"F", b"K", b"R"
NEVER_STARTED = -1


def main(memory_bytes: int, cpu_s: int) -> None:
    """Serve the control socket, which is standard input, until its other end is closed."""
    control = socket.socket(fileno=os.dup(0))
    leave_network()
    _warm_up()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    gc.collect()
    gc.freeze()  # pages that no collection touches stay shared with the children
    _ForkServer(control, ProcessLimits(memory_bytes, cpu_s)).run()


class _ForkServer:
    """The running children by their number, and the wait status of those that ended."""

    def __init__(self, control: socket.socket, limits: ProcessLimits) -> None:
        self._control = control
        self._limits = limits
        self._running: dict[int, int] = {}
        self._ended: dict[int, int] = {}

    def run(self) -> None:
        """Until the control socket is closed; then kill what runs."""
        signal.signal(signal.SIGCHLD, lambda *_: self._reap())
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, CONTROL.size, 1)
            if len(message) < CONTROL.size:
                break
            kind, number = CONTROL.unpack(message)
            if kind == FORK and descriptors:
                self._fork(number, descriptors[0])
            elif kind == KILL:
                self._kill(number)
            elif kind == REPORT:
                status = self._kill(number)
                self._control.sendall(STATUS.pack(status))
        for number in tuple(self._running):
            self._kill(number)

    def _fork(self, number: int, descriptor: int) -> None:
        with suppress(OSError):  # no more processes: the other side finds its socket closed
            parent = os.getpid()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if pid == 0:
                self._become_child(parent, descriptor)
            self._running[number] = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.close(descriptor)

    def _become_child(self, parent: int, descriptor: int) -> NoReturn:
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            die_with_parent(parent)
            self._control.close()
            confine(self._limits)
            serve(socket.socket(fileno=descriptor))
            os._exit(0)
        finally:
            os._exit(1)

    def _kill(self, number: int) -> int:
        """End a child, if it has not ended; its wait status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        try:
            pid = self._running.pop(number, None)
            if pid is None:
                return self._ended.pop(number, NEVER_STARTED)
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            return status
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _reap(self) -> None:
        for number, pid in tuple(self._running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self._running[number]
                self._ended[number] = status


def _warm_up() -> None:
    """Have everything loaded that decoding loads; children can't open files."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    source = AudioSource(buffer, len(buffer.getvalue()))
    decoded = AvDecoder().open(source, AudioLimits(60.0))
    for _ in decoded.blocks():
        pass
    decoded.close()
