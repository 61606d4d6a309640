"""Query plans of a MariaDB, by EXPLAIN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects import mysql
from tools.mariadb import MariaDb

from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.history import HistoryQuery
from zhiyin.domain.search import grams
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql import search

_COLUMNS = (
    "id",
    "select",
    "table",
    "type",
    "possible_keys",
    "key",
    "key_len",
    "ref",
    "rows",
    "extra",
)
_STEP = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """One line of EXPLAIN."""

    query: str
    table: str
    access: str
    key: str
    rows: int
    extra: str


def plans(server: MariaDb, database: str, words: Mapping[str, str]) -> list[Plan]:
    """The plans of a list, of filtered lists, and of searches for these words by name."""
    server.sql(f"USE {database}; ANALYZE TABLE transcripts, transcript_tokens")
    return [
        plan
        for name, query in _queries(server, database, words)
        for plan in _explained(server, database, name, query)
    ]


def _queries(
    server: MariaDb, database: str, words: Mapping[str, str]
) -> Iterator[tuple[str, Select[Any]]]:
    def count(token: int) -> int:
        counted = f"SELECT COUNT(*) FROM {database}.transcript_tokens WHERE token = {token}"
        return int(server.sql(counted))

    everything = HistoryQuery(ANONYMOUS)
    yield "list", search.plain_page(everything, None, _STEP)
    yield "list, language", search.plain_page(HistoryQuery(ANONYMOUS, language="en"), None, _STEP)
    cipher = PlainRing().of(ANONYMOUS, ())
    for name, word in words.items():
        tokens = sorted(cipher.tokens(grams(word))[0], key=count)  # the rarest first
        yield f"search, {name}", search.token_page(everything, tokens, None, _STEP)


def _explained(server: MariaDb, database: str, name: str, query: Select[Any]) -> Iterator[Plan]:
    compiled = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    output = server.sql(f"USE {database}; EXPLAIN {compiled}")
    for line in output.splitlines():
        row = dict(zip(_COLUMNS, line.split("\t"), strict=True))
        yield Plan(name, row["table"], row["type"], row["key"], int(row["rows"]), row["extra"])
