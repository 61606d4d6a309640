"""The command line, as a person uses it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import media
from tests.support.command_line import zhiyin
from tests.support.processes import environment
from tests.support.server import Server

ENGLISH, CHINESE = media.path("en_short"), media.path("zh_other")


def test_version_and_help() -> None:
    assert re.fullmatch(r"zhiyin \d+\.\d+\.\d+\n", zhiyin("--version").stdout)
    shown = zhiyin("--help")
    assert shown.returncode == 0
    for command in ("serve", "transcribe", "calibrate", "models", "config"):
        assert command in shown.stdout


def test_transcribe_prints_text_alone(data_dir: Path) -> None:
    done = zhiyin("transcribe", str(ENGLISH), "-l", "en", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert media.heard(media.reference("en_short"), done.stdout) > 0.9
    assert done.stdout.count("\n") == 1
    assert "RTF" in done.stderr


def test_many_files_into_a_folder(data_dir: Path, tmp_path: Path) -> None:
    same_stem = tmp_path / "en_short.wav"
    same_stem.write_bytes(media.wav(media.samples("en_short")))
    out = tmp_path / "out"
    files = [str(ENGLISH), str(CHINESE), str(same_stem)]
    done = zhiyin("transcribe", *files, "-f", "srt", "-o", str(out), data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in out.iterdir()} == {"en_short.srt", "zh_other.srt", "en_short-2.srt"}
    assert "-->" in (out / "zh_other.srt").read_text()
    assert done.stdout == ""


def test_standard_input_and_json(data_dir: Path) -> None:
    form = media.Form("ipod", "aac", 44_100)
    data = media.encode(media.samples("en_short"), form)
    done = zhiyin("transcribe", "-", "-f", "json", "--words", data_dir=data_dir, stdin=data)
    body = json.loads(done.stdout)
    assert media.heard(media.reference("en_short"), body["text"]) > 0.8
    assert body["segments"][0]["words"]


def test_one_bad_file_fails_the_run_but_not_the_others(data_dir: Path, tmp_path: Path) -> None:
    bad = tmp_path / "notes.mp3"
    bad.write_text("no sound here\n" * 20)
    done = zhiyin("transcribe", str(bad), "/no/such.wav", str(ENGLISH), data_dir=data_dir)
    assert done.returncode == 4
    assert "notes.mp3" in done.stderr
    assert "such.wav" in done.stderr
    assert "Traceback" not in done.stderr
    assert "kitchen" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["transcribe", "x.wav", "-l", "klingon"], 2, "klingon"),
        (["transcribe", "x.wav", "-f", "pdf"], 2, "pdf"),
        (["transcribe", "x.wav", "--model", "nope"], 2, "nope"),
        (["transcribe", "x.wav", "--model", "whisper-small"], 3, "zhiyin models pull"),
        (["transcribe"], 2, "files"),
        (["models", "path", "nope"], 2, "nope"),
        (["serve", "--port", "99999999"], 2, "port"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_wrong_use_is_explained(
    arguments: list[str], code: int, words: str, data_dir: Path
) -> None:
    done = zhiyin(*arguments, data_dir=data_dir)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_models(data_dir: Path) -> None:
    listed = zhiyin("models", "list", data_dir=data_dir).stdout
    assert "whisper-base (default)" in listed
    assert "whisper-large-v3-turbo" in listed
    folder = zhiyin("models", "path", "base", data_dir=data_dir).stdout.strip()
    assert (Path(folder) / "model.bin").is_file()
    pulled = zhiyin("models", "pull", "whisper-base", data_dir=data_dir)
    assert pulled.returncode == 0
    assert folder in pulled.stdout


def test_pulling_without_a_network_is_explained(data_dir: Path) -> None:
    done = zhiyin(
        "models", "pull", "tiny", data_dir=data_dir,
        HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_DISABLE_TELEMETRY="1",
    )  # fmt: skip
    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert "Traceback" not in done.stderr


def test_config(tmp_path: Path) -> None:
    assert zhiyin("config", "check").returncode == 0
    shown = zhiyin("config", "show", ZHIYIN_SERVER__PORT="9123").stdout
    assert "port = 9123" in shown
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nprot = 1\n")
    bad = zhiyin("config", "check", ZHIYIN_CONFIG=str(file))
    assert bad.returncode == 2
    assert "server.prot: unknown setting" in bad.stderr


def test_completion_is_offered() -> None:
    done = zhiyin("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "zhiyin" in done.stdout.lower()


def test_serve_greets_and_stops_cleanly(data_dir: Path) -> None:
    server = Server(data_dir, {})
    server.wait_ready()
    assert "curl -F file=@" in server.greeting
    assert "/docs" in server.greeting
    server.process.send_signal(signal.SIGTERM)
    assert server.stop() == 0
    assert "Traceback" not in "".join(server.logs)


def test_a_port_in_use_is_explained(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = zhiyin("serve", "--port", port, data_dir=data_dir)
    assert done.returncode == 2
    assert f"Can't listen on 127.0.0.1:{port}" in done.stderr


def test_importing_is_light() -> None:
    """`import zhiyin` and the command line pull in no engine and no server."""
    code = (
        "import sys, zhiyin, zhiyin.cli.app; print(*sorted(m.split('.')[0] for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"ctranslate2", "faster_whisper", "onnxruntime", "av", "fastapi", "uvicorn", "numpy"}
    assert not heavy & set(done.stdout.split())


def test_listen_tells_a_file_as_it_is_played(data_dir: Path) -> None:
    done = zhiyin("listen", str(ENGLISH), "--pace", "0", "--json", "-l", "en", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    finals = " ".join(e["text"] for e in events if e["type"] == "Final")
    assert media.heard(media.reference("en_short"), finals) > 0.9
    assert [e["type"] for e in events].count("Done") == 1
    assert events[-1]["type"] == "Done"


def test_listen_takes_raw_sound_from_standard_input(data_dir: Path) -> None:
    pcm = (media.samples("zh_other") * 32767).astype("<i2").tobytes()
    done = zhiyin("listen", "-", "-l", "zh", data_dir=data_dir, stdin=pcm)
    assert done.returncode == 0, done.stderr
    assert media.heard(media.reference("zh_other"), done.stdout) > 0.6


def test_listen_says_what_is_wrong(data_dir: Path, tmp_path: Path) -> None:
    folder = zhiyin("listen", str(tmp_path), data_dir=data_dir)
    assert (folder.returncode, "is a folder" in folder.stderr) == (4, True)
    missing = zhiyin("listen", str(tmp_path / "none.wav"), data_dir=data_dir)
    assert missing.returncode == 4
    assert "there is no such file" in missing.stderr
    (tmp_path / "text.wav").write_text("this is no sound")
    wrong = zhiyin("listen", str(tmp_path / "text.wav"), data_dir=data_dir)
    assert wrong.returncode == 4
    assert "Traceback" not in wrong.stderr


def test_listen_ends_at_ctrl_c_while_standard_input_stays_open(data_dir: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "zhiyin", "listen", "-", "-l", "en"]
    env = environment(ZHIYIN_DATA_DIR=str(data_dir))
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=env,
        # A shell that runs the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    sound = (media.samples("en_short") * 32767).astype("<i2").tobytes()
    process.stdin.write(sound + bytes(3 * 32_000) + sound)
    process.stdin.flush()
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # and faulthandler says where it hangs
    rest, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert media.heard(media.reference("en_short"), first.decode()) > 0.9
    assert media.heard(media.reference("en_short"), rest.decode()) > 0.5
    assert errors == b""


def test_a_bench_tells_its_own_options() -> None:
    own = zhiyin("bench", "stream", "--help")
    assert own.returncode == 0, own.stderr
    assert "--manners" in own.stdout
    assert "--manners" not in zhiyin("bench", "--help").stdout
