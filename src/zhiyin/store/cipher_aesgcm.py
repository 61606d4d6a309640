"""AES-256-GCM by the `cryptography` package.

Sealed data: 1 or 2, the length of the key's id, the id, in 2 a salt of 16 random bytes, 12 random
bytes (the nonce), the encrypted bytes with their 16-byte tag. Header and record identity are
authenticated with it (associated data), so that a value that is moved to another record, or
tampered with, does not open.

Random nonces are good for 2^32 values per key (NIST SP 800-38D, 8.3). In 1 a data key is used as it
is: of an owner, or of a blob. In 2 each value has a key of its own, derived by HKDF from the
operator's key, the purpose and the salt: there is no number that has to be counted.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zhiyin.domain.errors import CannotDecrypt, ConfigError
from zhiyin.domain.sealing import PLAIN, WrappedKey, hashed

_VERSION, _DERIVED = b"\x01", b"\x02"
_SALT_BYTES = 16
_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class AesCipher:
    """Keys by id; the first seals, all open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self.key_id = next(iter(keys))

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """See `ports.cipher`."""
        head = _header(self.key_id)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.key_id].encrypt(nonce, plaintext, head + identity.encode())
        return head + nonce + sealed

    def open(self, sealed: bytes, identity: str) -> bytes:
        """See `ports.cipher`."""
        name = key_id_of(sealed)
        if name not in self._ciphers:
            raise CannotDecrypt(f"This record is encrypted with the key '{name}', which is lost.")
        head = _header(name)
        return _opened(self._ciphers[name], name, head + identity.encode(), sealed[len(head) :])


class AesOwner(AesCipher):
    """Of one owner: keys for sealing and for tokens come from the data keys by HKDF."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        super().__init__({name: _derived(key, b"zhiyin seal") for name, key in keys.items()})
        self._index_keys = [_derived(key, b"zhiyin index") for key in keys.values()]

    def tokens(self, grams: Iterable[str]) -> list[list[int]]:
        """See `ports.cipher`."""
        wanted = list(grams)
        return [[hashed(gram, key) for gram in wanted] for key in self._index_keys]


class AesRing(AesCipher):
    """The operator's keys; what they seal is sealed by keys that are derived from them.

    A derived key is for one purpose (the first part of the identity) and one value. What older
    versions have sealed with the keys themselves still opens.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        super().__init__(keys)
        self._keys = dict(keys)

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """See `ports.cipher`."""
        head = _header(self.key_id, _DERIVED)
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        cipher = self._derived(self.key_id, salt, identity)
        return head + salt + nonce + cipher.encrypt(nonce, plaintext, head + identity.encode())

    def open(self, sealed: bytes, identity: str) -> bytes:
        """See `ports.cipher`."""
        name = key_id_of(sealed)
        if sealed[:1] != _DERIVED or name not in self._keys:
            return super().open(sealed, identity)
        head = _header(name, _DERIVED)
        salt, rest = sealed[len(head) :][:_SALT_BYTES], sealed[len(head) + _SALT_BYTES :]
        cipher = self._derived(name, salt, identity)
        return _opened(cipher, name, head + identity.encode(), rest)

    def _derived(self, name: str, salt: bytes, identity: str) -> AESGCM:
        purpose = b"zhiyin ring " + identity.partition("/")[0].encode()
        return AESGCM(_derived(self._keys[name], purpose, salt))

    @property
    def names(self) -> Sequence[str]:
        """See `ports.cipher`."""
        return tuple(self._ciphers)

    def new_key(self, owner: str) -> WrappedKey:
        """Random, sealed by the ring's first key."""
        name = f"d{secrets.token_hex(6)}"
        sealed = self.seal(secrets.token_bytes(_KEY_BYTES), _wrapping(owner, name))
        return WrappedKey(name, owner, self.key_id, sealed)

    def of(self, owner: str, keys: Sequence[WrappedKey]) -> AesOwner:
        """The owner's cipher from at least one key. Raises CannotDecrypt."""
        return AesOwner({k.id: self._unwrapped(owner, k) for k in keys})

    def _unwrapped(self, owner: str, key: WrappedKey) -> bytes:
        if key_id_of(key.sealed) not in self._ciphers:
            raise CannotDecrypt(
                f"The data is encrypted with the key '{key.ring_key}', which is not among those "
                "of ZHIYIN_ENCRYPTION__KEYS or encryption.keys_file."
            )
        return self.open(key.sealed, _wrapping(owner, key.id))


def parse_keys(text: str) -> dict[str, bytes]:
    """Keys as `id:base64`, separated by commas or line ends; # begins a comment.

    Raises ConfigError, which never shows a key.
    """
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    found: dict[str, bytes] = {}
    for number, part in enumerate(filter(str.strip, ",".join(lines).split(",")), start=1):
        name, _, encoded = part.strip().partition(":")
        if not _ID.fullmatch(name):
            raise ConfigError(f"Encryption key {number} has no id: write id:key, 'k1:...'.")
        if name in found:
            raise ConfigError(f"There are two encryption keys called '{name}'.")
        found[name] = _decoded(name, encoded.strip())
    if not found:
        raise ConfigError("There is no encryption key. Make one: zhiyin keys generate")
    return found


def generate(name: str = "") -> str:
    """A new key as `parse_keys` reads it. Raises ConfigError for a bad name."""
    chosen = name or f"k{secrets.token_hex(4)}"
    if not _ID.fullmatch(chosen):
        raise ConfigError("A key is called by 1 to 32 letters, digits, - and _.")
    return f"{chosen}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def key_id_of(sealed: bytes) -> str:
    """The id in the data. Raises CannotDecrypt for what is not sealed."""
    if sealed[:1] == PLAIN:
        raise CannotDecrypt(
            "This record was stored without encryption, and there is a key now. If that was you: "
            "zhiyin keys rotate encrypts it."
        )
    name = sealed[2:][: sealed[1]] if len(sealed) > 2 else b""
    if (
        sealed[:1] not in (_VERSION, _DERIVED)
        or not name
        or len(sealed) < 2 + len(name) + _NONCE_BYTES
    ):
        raise CannotDecrypt("This record is damaged: it is no encrypted data.")
    return name.decode("ascii", "replace")


def _opened(cipher: AESGCM, name: str, bound_to: bytes, body: bytes) -> bytes:
    """From nonce and encrypted bytes. Raises CannotDecrypt."""
    try:
        return cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise CannotDecrypt(
            f"This record does not open with the key '{name}': the key is a wrong one of that "
            "name, or the data is damaged or was put in another record's place."
        ) from error


def _header(name: str, version: bytes = _VERSION) -> bytes:
    return version + bytes([len(name)]) + name.encode("ascii", "replace")


def _wrapping(owner: str, name: str) -> str:
    return f"key/{owner}/{name}"


def _derived(key: bytes, purpose: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=salt, info=purpose).derive(key)


def _decoded(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"The encryption key '{name}' must be {_KEY_BYTES} bytes in base64. "
            "Make one: zhiyin keys generate"
        )
    return key
