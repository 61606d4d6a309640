"""Codec between history entries and rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from zhiyin.domain.caller import Origin
from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.history import HistoryEntry, Summary
from zhiyin.domain.search import INDEX_VERSION, grams, normalized
from zhiyin.domain.transcript_codec import dump_transcript, load_transcript
from zhiyin.ports.cipher import Cipher, OwnerCipher
from zhiyin.store.history_sql.tables import transcripts

Values = dict[str, Any]
SUMMARY = [c for c in transcripts.columns if c.name != "details"]


def identity(owner: str, entry: int, column: str) -> str:
    """What a sealed value is bound to."""
    return f"history/{owner}/{entry}/{column}"


def values_of(entry: HistoryEntry, cipher: Cipher) -> Values:
    """A row of `transcripts`."""
    transcript, caller = entry.transcript, entry.caller
    return {
        "id": entry.id,
        "owner": caller.owner,
        "request_id": caller.request_id,
        "time": entry.time,
        "door": caller.door,
        "language": transcript.language,
        "model": transcript.model,
        "engine": transcript.engine,
        "task": transcript.task,
        "duration_s": transcript.duration,
        "latency_s": entry.latency_s,
        **sealed(
            caller.owner, entry.id, cipher,
            text=transcript.text.encode(), details=dump_transcript(transcript),
        ),
    }  # fmt: skip


def sealed(owner: str, entry: int, cipher: Cipher, *, text: bytes, details: bytes) -> Values:
    """The columns that are encrypted, and with which key; the tokens are made at the same time."""
    return {
        "key_id": cipher.key_id,
        "indexed": INDEX_VERSION,
        "text": cipher.seal(text, identity(owner, entry, "text")),
        "details": cipher.seal(details, identity(owner, entry, "details")),
    }


def token_rows_of(entry: int, text: str, cipher: OwnerCipher) -> list[Values]:
    """Rows of `tokens`, in the order of the table."""
    found = set(cipher.tokens(grams(normalized(text)))[0])
    return [{"token": token, "transcript": entry} for token in sorted(found)]


def entry_of(row: Row[Any], cipher: Cipher) -> HistoryEntry:
    """The whole of a row. Raises CannotDecrypt."""
    opened = cipher.open(row.details, identity(row.owner, row.id, "details"))
    caller = Origin(row.owner, row.request_id, row.door)
    return HistoryEntry(row.id, row.time, caller, row.latency_s, load_transcript(opened))


def summary_of(row: Row[Any], cipher: Cipher) -> Summary:
    """A row of a list; its text is None when it does not open."""
    try:
        text = cipher.open(row.text, identity(row.owner, row.id, "text")).decode()
    except CannotDecrypt:
        text = None
    return Summary(
        row.id, row.time, Origin(row.owner, row.request_id, row.door), row.latency_s,
        row.language, row.model, row.engine, row.task, row.duration_s, text,
    )  # fmt: skip
