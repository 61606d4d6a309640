"""Decoder processes: the same sound as in this process, and no harm done when one comes to harm."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from tests.support import hostile, media
from tests.support.decoders import (
    decoder_processes,
    decoders,
    fork_server,
    gone,
    wait_for,
    wait_for_decoder,
)  # fmt: skip
from tests.support.hostile import flac, flac_frame
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation.live import ProcessLiveDecoder
from zhiyin.audio.isolation.processes import DecoderProcesses
from zhiyin.audio.isolation.recording import ProcessDecoder
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.audio import AudioLimits, Notice
from zhiyin.domain.errors import (
    EmptyAudio,
    InvalidRequest,
    Overloaded,
    TooLong,
    Unavailable,
    UndecodableAudio,
)
from zhiyin.domain.live import AudioFormat
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import DecodedAudio, Decoder, StopSignal
from zhiyin.ports.sound import LiveDecoder

LIMITS = AudioLimits(600.0)
LONG = media.wav(np.zeros(60 * media.RATE, np.float32))
WEBM = AudioFormat("webm", 48_000)


@pytest.fixture
def processes() -> Iterator[DecoderProcesses]:
    with decoder_processes() as made:
        yield made


def source(data: bytes) -> AudioSource:
    return AudioSource(io.BytesIO(data), len(data))


def read(decoder: Decoder, data: bytes) -> tuple[media.Samples, float | None, list[Notice]]:
    decoded = decoder.open(source(data), LIMITS)
    try:
        return np.concatenate(list(decoded.blocks())), decoded.duration, decoded.notices
    finally:
        decoded.close()


def begun(processes: DecoderProcesses) -> DecodedAudio:
    """A long recording of which a block was read."""
    decoded = ProcessDecoder(processes).open(source(LONG), LIMITS)
    next(decoded.blocks())
    return decoded


def assert_works(processes: DecoderProcesses) -> None:
    sound, _, _ = read(ProcessDecoder(processes), media.wav(media.samples("en_short")))
    assert len(sound) == len(media.samples("en_short"))


@pytest.mark.parametrize("form", [media.FORMS[i] for i in (1, 7, 9, 12)], ids=lambda f: f.name)
def test_the_sound_is_the_same(processes: DecoderProcesses, form: media.Form) -> None:
    data = media.encode(media.samples("en_short"), form)
    sound, duration, notices = read(ProcessDecoder(processes), data)
    expected, expected_duration, expected_notices = read(AvDecoder(), data)
    assert np.array_equal(sound, expected)
    assert (duration, notices) == (expected_duration, expected_notices)


def test_what_is_wrong_with_a_file_is_the_same(processes: DecoderProcesses) -> None:
    decoder = ProcessDecoder(processes)
    cut = LONG[: len(LONG) // 2]
    assert read(decoder, cut)[1:] == read(AvDecoder(), cut)[1:]
    with pytest.raises(EmptyAudio):
        decoder.open(source(b""), LIMITS)
    with pytest.raises(UndecodableAudio, match="could not be read"):
        decoder.open(source(b"no sound " * 100), LIMITS)
    with pytest.raises(TooLong, match="5 s"):
        decoder.open(source(LONG), AudioLimits(5.0))
    with pytest.raises(InvalidRequest) as caught:
        decoder.open(source(LONG), LIMITS, track=2)
    assert caught.value.param == "track"
    wait_for(lambda: decoders() == [])


@pytest.mark.parametrize("kept", ["file", "memory"])
def test_large_recordings_go_as_a_file(processes: DecoderProcesses, kept: str) -> None:
    assert len(LONG) > 1 << 20
    with tempfile.TemporaryFile() if kept == "file" else io.BytesIO() as stream:
        stream.write(LONG)
        stream.seek(77)
        decoded = ProcessDecoder(processes).open(AudioSource(stream, len(LONG)), LIMITS)
        assert sum(map(len, decoded.blocks())) == 60 * media.RATE
        assert stream.tell() in (77, len(LONG))  # copied, or not moved by the other side
        decoded.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU])
def test_a_crash_is_the_recordings_fault_and_harms_no_other(
    processes: DecoderProcesses, how: signal.Signals
) -> None:
    other = begun(processes)
    wait_for_decoder()
    spared = decoders()
    decoded = begun(processes)
    (victim,) = [d for d in decoders() if d not in spared]
    victim.send_signal(how)
    with pytest.raises(UndecodableAudio) as caught:
        list(decoded.blocks())
    assert caught.value.param == "file"
    decoded.close()
    assert next(other.blocks()) is not None
    other.close()
    assert_works(processes)


def test_a_recording_that_needs_too_much_memory() -> None:
    with decoder_processes(memory_bytes=1 << 20) as processes:
        with pytest.raises(UndecodableAudio):
            read(ProcessDecoder(processes), LONG[: 1 << 20])
        assert fork_server() is not None


def test_a_process_that_hangs_is_killed_when_the_caller_gives_up(
    processes: DecoderProcesses,
) -> None:
    stop = StopSignal()
    decoded = ProcessDecoder(processes).open(source(LONG), LIMITS, stop=stop)
    victim = wait_for_decoder()
    victim.suspend()
    failed: list[Exception] = []

    def wait() -> None:
        try:
            list(decoded.blocks())
        except UndecodableAudio as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    stop.set()
    waiting.join(60)
    assert failed
    wait_for(lambda: gone(victim))
    decoded.close()
    stop.call(stop.set)  # set before: called at once
    assert_works(processes)


def test_a_process_that_hangs_is_killed_after_a_while() -> None:
    with decoder_processes(stall_s=1.0) as processes:
        decoded = ProcessDecoder(processes).open(source(LONG), LIMITS)
        victim = wait_for_decoder()
        victim.suspend()
        with pytest.raises(UndecodableAudio):
            list(decoded.blocks())
        wait_for(lambda: gone(victim))
        decoded.close()


def test_a_signal_that_was_set_before_opens_nothing(processes: DecoderProcesses) -> None:
    stop = StopSignal()
    stop.set()
    with pytest.raises(UndecodableAudio):
        ProcessDecoder(processes).open(source(LONG), LIMITS, stop=stop)


def test_without_the_fork_server_it_is_not_the_recordings_fault(
    processes: DecoderProcesses,
) -> None:
    decoded = begun(processes)
    child = wait_for_decoder()
    server = fork_server()
    assert server is not None
    server.kill()
    with pytest.raises(Unavailable):
        list(decoded.blocks())
    decoded.close()
    wait_for(lambda: gone(child))
    assert_works(processes)


def test_only_so_many_at_once() -> None:
    with decoder_processes(max_open=2) as processes:
        one, other = begun(processes), begun(processes)
        with pytest.raises(Overloaded):
            begun(processes)
        one.close()
        one.close()
        begun(processes).close()
        other.close()


def test_nothing_is_left_of_many_recordings(processes: DecoderProcesses) -> None:
    data = media.wav(media.samples("en_short"))
    assert_works(processes)
    wait_for(lambda: decoders() == [])
    before = psutil.Process().num_fds()
    for i in range(50):
        decoded = ProcessDecoder(processes).open(source(data if i % 2 else LONG), LIMITS)
        next(decoded.blocks())
        decoded.close()
    assert psutil.Process().num_fds() == before
    server = fork_server()
    assert server is not None
    wait_for(lambda: server.children() == [])  # no zombies either
    assert server.num_fds() <= 6


def test_processes_know_no_secrets_and_hold_nothing_of_the_server(
    processes: DecoderProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIYIN_ENCRYPTION__KEYS", "a-very-secret-key")
    with tempfile.TemporaryFile() as held:
        os.set_inheritable(held.fileno(), True)
        decoded = begun(processes)
        child, server = wait_for_decoder(), fork_server()
        assert server is not None
        for process in (child, server):
            assert "a-very-secret-key" not in str(process.environ())
            assert set(process.environ()) <= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"} | {
                "LD_LIBRARY_PATH", "LC_CTYPE",
            }  # fmt: skip
        assert child.num_fds() <= 5
        decoded.close()


PARENT = """
import io, sys, time
from tests.support.decoders import decoder_processes, fork_server, wait_for_decoder
from tests.unit.test_decoder_processes import begun
with decoder_processes() as processes:
    decoded = begun(processes)
    print(fork_server().pid, wait_for_decoder().pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("stopped", [False, True])
def test_they_end_with_the_server(how: signal.Signals, stopped: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    family = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    if stopped:
        family[-1].suspend()  # as one that hangs
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: all(map(gone, family)))


CONFINED = """
import os, socket, sys
from zhiyin.audio.isolation.sandbox import ProcessLimits, confine, leave_network
leave_network()
confine(ProcessLimits(300 << 20, 5))

def works(call):
    try:
        call()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "works"

def connect():
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)

print(works(lambda: bytearray(400 << 20)), works(lambda: bytearray(1 << 20)))
print(works(lambda: open("/etc/passwd")), works(lambda: os.kill(int(sys.argv[2]), 0)))
print(works(connect), works(lambda: open("/tmp/x", "w")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_the_sandbox() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        # Output goes through a pipe: nothing in there can write to a file.
        run = subprocess.run(
            [sys.executable, "-c", CONFINED, port, str(os.getpid())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    large, small, reading, signalling, connecting, writing = run.stdout.split()
    landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)  # its version, negative without it
    assert (large, small) == ("MemoryError", "works")
    assert writing != "works"
    assert landlock < 1 or reading == "PermissionError"
    assert landlock < 4 or connecting != "works"
    assert landlock < 6 or signalling == "PermissionError"


def test_live_streams_have_the_same_sound(processes: DecoderProcesses) -> None:
    data = media.recorded(media.samples("en_short"), "webm")

    def through(decoder: LiveDecoder) -> media.Samples:
        sound = decoder.open(WEBM)
        parts = [sound.push(data[at : at + 700]) for at in range(0, len(data), 700)]
        parts.append(sound.finish())
        while sound.pending:
            parts.append(sound.push(b""))
        assert sound.received.bytes == len(data)
        assert sound.received.seconds == sum(map(len, parts)) / media.RATE
        assert sound.incomplete_bytes == 0
        sound.close()
        return np.concatenate(parts)

    assert np.array_equal(through(ProcessLiveDecoder(processes)), through(AvLiveDecoder()))


def test_much_sound_of_few_bytes_comes_in_steps(processes: DecoderProcesses) -> None:
    frames = [flac_frame(n, 4000) for n in range(12)]
    data = hostile.packed(frames, "ogg", flac(frames[:1], 4000))
    sound = ProcessLiveDecoder(processes).open(AudioFormat("ogg", 0))
    steps = [len(sound.push(data))]
    while sound.pending:
        steps.append(len(sound.push(b"")))
    assert len(steps) > 5
    assert sum(steps) / media.RATE > 100
    sound.close()
    assert not sound.pending


def test_a_live_stream_that_crashes_its_process_ends_alone(processes: DecoderProcesses) -> None:
    data = media.recorded(media.samples("en_short"), "ogg")
    decoder = ProcessLiveDecoder(processes)
    ogg = AudioFormat("ogg", 48_000)
    one = decoder.open(ogg)
    one.push(data[:2000])
    spared = decoders()
    other = decoder.open(ogg)
    other.push(data[:2000])
    (victim,) = [d for d in decoders() if d not in spared]
    victim.send_signal(signal.SIGSEGV)
    with pytest.raises(UndecodableAudio, match="could not be decoded"):
        other.push(data[2000:])
    other.close()
    assert len(one.push(data[2000:])) > 0
    one.close()
    with pytest.raises(UndecodableAudio):  # closed
        one.push(data)
    wait_for(lambda: decoders() == [])


def test_raw_samples_need_no_process(processes: DecoderProcesses) -> None:
    sound = ProcessLiveDecoder(processes).open(AudioFormat("s16le", 16_000))
    assert len(sound.push(bytes(3200))) == 1600
    assert fork_server() is None
