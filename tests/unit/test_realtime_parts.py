"""Messages of Realtime clients, the settings they make, and tokens."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime import client
from zhiyin.access.ws.realtime.settings import SessionSettings, Sound, Turns
from zhiyin.access.ws.realtime.tokens import Tokens
from zhiyin.domain.errors import InvalidRequest, TooLarge, Unauthenticated
from zhiyin.domain.live import AudioFormat, LiveDefaults
from zhiyin.store.cipher_aesgcm import AesCipher, generate, parse_keys


def update(session: Json, kind: str = "session.update") -> SessionSettings:
    event = client.read(json.dumps({"type": kind, "session": session}))
    return SessionSettings(model="m").updated(client.session_of(event), LiveDefaults())


def test_only_what_is_sent_changes() -> None:
    first = update({"audio": {"input": {"transcription": {"language": "zh", "prompt": "p"}}}})
    event = client.read(
        json.dumps({"type": "session.update", "session": {"audio": {"input": {
            "transcription": {"keywords": ["a", "b"]}, "turn_detection": {"type": "server_vad",
            "threshold": 0.7}}}}})
    )  # fmt: skip
    second = first.updated(client.session_of(event), LiveDefaults())
    assert (second.model, second.language, second.prompt) == ("m", "zh", "p")
    assert second.turns == Turns(0.7)
    options = second.options()
    assert (options.decode.hotwords, options.decode.language) == ("a, b", "zh")
    assert (options.threshold, options.silence_s, options.lead_in_s) == (0.7, 0.5, 0.3)


def test_both_shapes_mean_the_same() -> None:
    hears = {"model": "whisper-1", "language": "en"}
    nested = update(
        {"type": "transcription", "audio": {"input": {
            "format": {"type": "audio/pcmu"}, "transcription": hears, "turn_detection": None}}}
    )  # fmt: skip
    flat: Json = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": hears,
        "turn_detection": None,
    }
    assert nested == update(flat, "transcription_session.update") == update(flat)
    assert nested.sound.rate == 8000
    assert nested.options().silence_s is None
    assert nested.flat()["input_audio_format"] == "g711_ulaw"
    assert nested.nested()["audio"]["input"]["format"] == {"type": "audio/pcmu"}


def test_the_older_event_may_have_its_fields_at_the_top() -> None:
    text = json.dumps({"type": "transcription_session.update", "turn_detection": None})
    fields = client.session_of(client.read(text))
    assert SessionSettings().updated(fields, LiveDefaults()).turns is None


def test_semantic_turns_are_the_default_ones() -> None:
    made = update({"audio": {"input": {"turn_detection": {"type": "semantic_vad",
        "eagerness": "low"}}}})  # fmt: skip
    assert made.turns == Turns()
    assert made.nested()["audio"]["input"]["turn_detection"]["type"] == "server_vad"


def test_other_rates_are_kept_and_shown() -> None:
    made = update({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}})
    assert made.sound.audio_format == AudioFormat("s16le", 16_000)
    assert made.nested()["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 16000}


@pytest.mark.parametrize(
    ("session", "param", "code"),
    [
        ({"nonsense": 1}, "session.nonsense", "unknown_parameter"),
        ({"type": "realtime"}, "session.type", "invalid_value"),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}},
         "session.audio.input.format.type", "invalid_value"),
        ({"audio": {"input": {"format": {"rate": 4000}}}},
         "session.audio.input.format.rate", "invalid_value"),
        ({"audio": {"input": {"turn_detection": {"threshold": 2}}}},
         "session.audio.input.turn_detection.threshold", "invalid_value"),
        ({"audio": {"input": {"transcription": {"language": "klingon"}}}},
         "session.audio.input.transcription.language", "invalid_value"),
        ({"audio": {"input": {"transcription": {"keywords": ["x" * 2000]}}}},
         "session.audio.input.transcription.keywords", "invalid_value"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format", "invalid_value"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(session: Json, param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        update(session)
    assert (raised.value.param, raised.value.code) == (param, code)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '"x"', "[" * 100_000])
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        client.read(text)
    assert raised.value.code == "invalid_json"


def data(audio: object) -> bytes:
    """What an append brings."""
    event = client.ClientEvent("x", None, {"audio": audio})
    return b"".join(client.decoded(client.audio_of(event)))


@pytest.mark.parametrize("audio", ["%%%", "abc", "é", 7, None, ["AAAA"]])
def test_bad_audio_is_refused(audio: object) -> None:
    with pytest.raises(InvalidRequest) as raised:
        data(audio)
    assert raised.value.param == "audio"


def test_audio_has_a_limit() -> None:
    most = base64.b64encode(bytes(client.MAX_AUDIO_BYTES)).decode()
    assert len(data(most)) == client.MAX_AUDIO_BYTES
    with pytest.raises(TooLarge):
        data("AAAA" + most)


@pytest.mark.parametrize("size", [0, 1, 2, 1000, 49_152, 49_153, 200_000])
@pytest.mark.parametrize(
    "escape", [lambda t: t, lambda t: t.replace("/", r"\/"), lambda t: t.replace("+", r"\u002B")]
)
def test_audio_is_found_in_a_message_of_any_length(size: int, escape: Callable[[str], str]) -> None:
    """Some encoders escape the slash, .NET's the plus."""
    sent = np.random.default_rng(1).bytes(size)
    message = json.dumps({"type": "a", "audio": base64.b64encode(sent).decode(), "event_id": "e"})
    event = client.read(escape(message))
    assert (event.kind, event.event_id) == ("a", "e")
    assert b"".join(client.decoded(client.audio_of(event))) == sent


@pytest.mark.parametrize("at", [4, 65_536, 131_068])
def test_padding_belongs_to_the_end(at: int) -> None:
    audio = "AAAA" * 40_000
    with pytest.raises(InvalidRequest):
        data(audio[: at - 1] + "=" + audio[at:])


EMPTY = "[" + "{}," * 50_000 + "{}]"
LONG = "AAAA" * 40_000


@pytest.mark.parametrize(
    "text",
    [
        f'{{"type": "x", "a": {EMPTY}}}',
        f'{{"type": "x", "audio": "AAAA", "a": {EMPTY}}}',
        f'{{"a": {EMPTY}, "audio": "AAAA"}}',
        f'{{"a": {{"audio": "{LONG}"}}, "audio": "{LONG}"}}',
        f'{{"type": "x", "event_id": "{LONG}"}}',
        "{" + " " * 140_000 + "}",
    ],
    ids=range(6),
)
def test_what_is_no_audio_is_short(text: str) -> None:
    with pytest.raises(TooLarge) as raised:
        client.read(text)
    assert raised.value.code == "message_too_large"


def test_ids_of_a_client_are_kept_when_they_are_decent() -> None:
    assert client.read('{"type": "a", "event_id": "e"}').event_id == "e"
    assert client.read('{"type": 1, "event_id": 7}') == client.ClientEvent(
        "", None, {"type": 1, "event_id": 7}
    )
    assert client.read(json.dumps({"type": "a", "event_id": "x" * 513})).event_id is None


def _cipher() -> AesCipher:
    return AesCipher(parse_keys(generate()))


def test_tokens_expire() -> None:
    now = 100.0
    tokens = Tokens(_cipher(), lambda: now)
    token = tokens.make(SessionSettings(model="a"), 10)
    assert re.fullmatch(r"ek_[A-Za-z0-9_-]+", token.value), "it has to fit into a subprotocol"
    assert tokens.check(token.value) == token
    assert tokens.check("sk-any") is None
    now = 110.0
    with pytest.raises(Unauthenticated):
        tokens.check(token.value)


def test_servers_with_the_same_keys_take_each_others_tokens() -> None:
    cipher = _cipher()
    turns = Turns(0.6, 200, 700)
    wanted = SessionSettings(
        Sound("audio/pcmu", 8000), "m", "zh", ("zh",), ("知音",), "你好", "", turns
    )
    token = Tokens(cipher).make(wanted, 60)
    assert Tokens(cipher).check(token.value) == token
    assert token.settings == wanted
    none = Tokens(cipher).make(SessionSettings(turns=None), 60)
    assert Tokens(cipher).check(none.value) == none
    with pytest.raises(Unauthenticated):
        Tokens(_cipher()).check(token.value)


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda b: b.hex()))
def test_tokens_that_somebody_made_up_are_refused(rest: str) -> None:
    cipher = _cipher()
    good = Tokens(cipher).make(SessionSettings(), 60).value
    for bad in ("ek_" + rest, good[: len(rest)] + "A" + good[len(rest) + 1 :] + "A"):
        if bad.startswith("ek_"):
            with pytest.raises(Unauthenticated):
                Tokens(cipher).check(bad)


def test_a_token_is_never_longer_than_a_header_may_be() -> None:
    random = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(4000))
    with pytest.raises(InvalidRequest, match="too long for a token"):
        Tokens(_cipher()).make(SessionSettings(prompt=random), 60)
