"""Wiring of the history, of encryption, and of what expires."""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from zhiyin.config import Settings
from zhiyin.core.history.retention import RetentionPolicy, Sweeper
from zhiyin.domain.errors import ConfigError
from zhiyin.ports.cipher import Cipher, KeyRing
from zhiyin.ports.history import History
from zhiyin.ports.observer import Observer
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.wiring.data_folder import data_folder

if TYPE_CHECKING:
    from zhiyin.store.history_sql.store import SqlHistory

log = logging.getLogger(__name__)

_HISTORY_FILE = "history.db"
_OTHERS = stat.S_IRGRP | stat.S_IROTH


def has_history(settings: Settings) -> bool:
    """Whether transcripts are kept, or may have been before that was switched off."""
    chosen = settings.history
    file = settings.data_dir / _HISTORY_FILE
    return chosen.enabled or bool(chosen.url.get_secret_value()) or file.exists()


def make_history(settings: Settings, ring: KeyRing | None = None) -> SqlHistory:
    """The history, unopened, with the keys of the settings or others.

    Raises ConfigError, MissingExtra.
    """
    from zhiyin.store.history_sql.database import history_database
    from zhiyin.store.history_sql.store import SqlHistory
    from zhiyin.store.sql.engine import DatabaseOptions

    chosen = settings.history
    file = data_folder(settings) / _HISTORY_FILE
    url = chosen.url.get_secret_value() or f"sqlite+aiosqlite:///{file}"
    options = DatabaseOptions(
        chosen.connections, timeout_s=chosen.timeout_s, connect_s=chosen.timeout_s
    )
    return SqlHistory(history_database(url, options), ring or key_ring(settings))


def key_ring(settings: Settings) -> KeyRing:
    """The keys for what is kept; without any, nothing is encrypted. Raises ConfigError."""
    chosen = settings.encryption
    text = chosen.keys.get_secret_value()
    if chosen.keys_file:
        if text:
            raise ConfigError("Give encryption.keys or encryption.keys_file, not both.")
        file = Path(chosen.keys_file).expanduser()
        try:
            text = file.read_text("utf-8")
            mode = stat.S_IMODE(file.stat().st_mode)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("encryption.keys_file can't be read.") from error
        if mode & _OTHERS:
            log.warning(
                "encryption.keys_file can be read by others than its owner (mode %04o): "
                "chmod 600 it, and make a new key if somebody may have done so", mode,
            )  # fmt: skip
    elif not text:
        return PlainRing()
    from zhiyin.store.cipher_aesgcm import AesRing, parse_keys

    return AesRing(parse_keys(text))


def token_cipher(ring: KeyRing) -> Cipher:
    """Seals what clients hold: by the keys, or by one that this process makes up."""
    from zhiyin.store.cipher_aesgcm import AesCipher, generate, parse_keys

    return ring if ring.names else AesCipher(parse_keys(generate()))


def make_sweeper(settings: Settings, history: History, observer: Observer) -> Sweeper:
    """Deletes transcripts at their time."""
    kept_s = settings.history.retention_days * 86_400
    policy = RetentionPolicy(kept_s, settings.history.sweep_s)
    return Sweeper(history, policy, observer=observer)
