"""Every cipher keeps the promises of `ports.cipher`."""

from __future__ import annotations

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.history_databases import ring
from zhiyin.domain.errors import CannotDecrypt, ConfigError
from zhiyin.domain.sealing import WrappedKey
from zhiyin.ports.cipher import Cipher, KeyRing
from zhiyin.store.cipher_aesgcm import AesCipher, AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing

SECRET = "打开客厅的灯".encode()


def ciphers() -> list[Cipher]:
    aes = ring("k1")
    key = aes.new_key("ann")
    return [PlainRing(), PlainRing().of("ann", ()), aes, aes.of("ann", [key])]


@pytest.mark.parametrize("cipher", ciphers(), ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("data", [b"", SECRET, os.urandom(1 << 20)], ids=["empty", "text", "MiB"])
def test_what_is_sealed_opens(cipher: Cipher, data: bytes) -> None:
    assert cipher.open(cipher.seal(data, "a/1"), "a/1") == data


def test_sealed_data_shows_nothing_and_is_never_the_same() -> None:
    cipher = ring("k1")
    first, second = (cipher.seal(SECRET, "a") for _ in range(2))
    assert first != second
    assert SECRET not in first
    assert b"k1" in first, "the id of the key is in the data"


def test_every_changed_bit_is_noticed() -> None:
    cipher = ring("k1")
    sealed = cipher.seal(SECRET, "a")
    for place in range(len(sealed)):
        for bit in (1, 128):
            bad = bytearray(sealed)
            bad[place] ^= bit
            with pytest.raises(CannotDecrypt):
                cipher.open(bytes(bad), "a")
    for length in range(len(sealed)):
        with pytest.raises(CannotDecrypt):
            cipher.open(sealed[:length], "a")


def test_a_value_belongs_to_its_record() -> None:
    cipher = ring("k1")
    with pytest.raises(CannotDecrypt, match="another record"):
        cipher.open(cipher.seal(SECRET, "history/ann/1/text"), "history/ann/2/text")


def test_old_keys_open_and_the_first_seals() -> None:
    old = generate("k1")
    before = AesRing(parse_keys(old)).seal(SECRET, "a")
    both = AesRing(parse_keys(f"{generate('k2')},{old}"))
    assert both.open(before, "a") == SECRET
    assert both.key_id == "k2"
    assert both.names == ("k2", "k1")
    with pytest.raises(CannotDecrypt, match="'k2', which is lost"):
        AesRing(parse_keys(old)).open(both.seal(SECRET, "a"), "a")


def test_the_operators_key_seals_nothing_itself() -> None:
    """Else its values had to be counted: 2^32 random nonces are too many for a key."""
    text = generate("k1")
    key = parse_keys(text)["k1"]
    sealed = [AesRing(parse_keys(text)).seal(SECRET, name) for name in ("cache/a", "job/a")] * 2
    for value in sealed:
        head, rest = value[:4], value[4:]
        for nonce, body in ((rest[:12], rest[12:]), (rest[16:28], rest[28:])):
            for name in (b"cache/a", b"job/a"):
                with pytest.raises(InvalidTag):
                    AESGCM(key).decrypt(nonce, body, head + name)
    assert len({value[4:20] for value in sealed[:2]}) == 2, "each has a salt of its own"


def test_what_older_versions_sealed_with_it_still_opens() -> None:
    text = generate("k1")
    ring_now, before = AesRing(parse_keys(text)), AesCipher(parse_keys(text))
    assert ring_now.open(before.seal(SECRET, "job/a"), "job/a") == SECRET
    wrapped = before.seal(b"x" * 32, "key/ann/d1")
    old = ring_now.of("ann", [WrappedKey("d1", "ann", "k1", wrapped)])
    assert old.open(old.seal(SECRET, "a"), "a") == SECRET
    sealed = bytearray(ring_now.seal(SECRET, "job/a"))
    sealed[0] = 1
    with pytest.raises(CannotDecrypt):
        ring_now.open(bytes(sealed), "job/a")


def test_a_wrong_key_of_the_same_name_is_an_error() -> None:
    with pytest.raises(CannotDecrypt, match="wrong one"):
        ring("k1").open(ring("k1").seal(SECRET, "a"), "a")


@pytest.mark.parametrize(
    ("sealing", "opening"), [(ring("k"), PlainRing()), (PlainRing(), ring("k"))]
)
def test_plain_and_sealed_are_told_apart(sealing: KeyRing, opening: KeyRing) -> None:
    with pytest.raises(CannotDecrypt):
        opening.open(sealing.seal(SECRET, "a"), "a")


def test_owners_have_keys_of_their_own() -> None:
    keys = ring("k1")
    ann, bob = keys.new_key("ann"), keys.new_key("bob")
    sealed = keys.of("ann", [ann]).seal(SECRET, "a")
    with pytest.raises(CannotDecrypt):
        keys.of("bob", [bob]).open(sealed, "a")
    with pytest.raises(CannotDecrypt):
        keys.open(sealed, "a")
    with pytest.raises(CannotDecrypt, match="another record"):
        keys.of("bob", [ann])


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    key = ring("k1").new_key("ann")
    with pytest.raises(CannotDecrypt, match="'k1'"):
        ring("k2").of("ann", [key])
    with pytest.raises(CannotDecrypt, match="'k1'"):
        PlainRing().of("ann", [key])


def test_tokens_depend_on_owner_and_key() -> None:
    keys = ring("k1")
    ann, bob = keys.new_key("ann"), keys.new_key("bob")
    grams = ["打开", "灯"]
    one = keys.of("ann", [ann]).tokens(grams)
    assert one == keys.of("ann", [ann]).tokens(grams)
    assert one != keys.of("bob", [bob]).tokens(grams)
    assert PlainRing().of("ann", ()).tokens(grams) != PlainRing().of("bob", ()).tokens(grams)
    both = keys.of("ann", [keys.new_key("ann"), ann]).tokens(grams)
    assert both[1] == one[0]
    assert all(-(1 << 63) <= token < 1 << 63 for group in both for token in group)


def test_keys_are_read_from_files_and_variables() -> None:
    one, two = generate("k1"), generate()
    assert list(parse_keys(f"# mine\n{one}\n\n{two} # older\n")) == ["k1", two.split(":")[0]]
    assert list(parse_keys(f" {one} , {two},")) == ["k1", two.split(":")[0]]
    assert parse_keys(one.replace("+", "-").replace("/", "_")) == parse_keys(one)


@pytest.mark.parametrize(
    "text",
    ["", "k1", "k1:", "k1:c2hvcnQ=", ":AAAA", "k 1:AAAA", "k1:###", f"{'k' * 33}:AAAA"],
)
def test_bad_keys_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_keys(text)
    assert "c2hvcnQ" not in error.value.message


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two"):
        parse_keys(f"{generate('k1')},{generate('k1')}")
