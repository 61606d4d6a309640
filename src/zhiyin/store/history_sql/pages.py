"""One page of a list or a search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.history import HistoryPage, HistoryQuery, Summary
from zhiyin.domain.search import UNFINDABLE, found_in, grams
from zhiyin.ports.cipher import OwnerCipher
from zhiyin.store.history_sql import search
from zhiyin.store.history_sql.rows import summary_of

_STEP = 100  # entries that a search reads at once
_MAX_READ = 2_000  # entries that a search reads for one page
_MAX_READ_CHARS = 4_000_000  # or so much text


class Pager:
    """Collects one page; a search reads on until the page is full or it has read enough."""

    def __init__(
        self, connection: AsyncConnection, cipher: OwnerCipher, query: HistoryQuery
    ) -> None:
        self._connection = connection
        self._cipher = cipher
        self._query = query
        self._chars = 0
        self._tokens: list[list[int]] | None = None  # for each key, the rarest first
        self._outdated = False  # whether there are entries with tokens by older rules

    async def page(self) -> HistoryPage:
        """The page."""
        query, found, read = self._query, list[Summary](), 0
        if query.terms == UNFINDABLE:
            return HistoryPage((), None)
        before = query.before
        step = max(_STEP, query.limit + 1) if query.terms else query.limit + 1
        while read < _MAX_READ and self._chars < _MAX_READ_CHARS:
            rows = await self._rows(before, step)
            found += await asyncio.to_thread(self._matching, rows)
            if len(found) > query.limit:
                kept = found[: query.limit]
                return HistoryPage(tuple(kept), kept[-1].id)
            if len(rows) < step:
                return HistoryPage(tuple(found), None)
            before = rows[-1].id
            read += len(rows)
        return HistoryPage(tuple(found), before)

    def _matching(self, rows: Sequence[Row[Any]]) -> list[Summary]:
        """Summaries of the rows that have all terms in their text."""
        opened = [summary_of(row, self._cipher) for row in rows]
        if not self._query.terms:
            return opened
        self._chars += sum(len(summary.text or "") for summary in opened)
        return [s for s in opened if found_in(self._query.terms, s.text or "")]

    async def _rows(self, before: int | None, limit: int) -> list[Row[Any]]:
        if not self._query.terms:
            return await self._fetched(search.plain_page(self._query, before, limit))
        if self._tokens is None:
            self._tokens = await self._tokens_by_key()
            self._outdated = await search.has_outdated(self._connection, self._query.owner)
        if self._tokens == [[]]:
            return await self._fetched(search.plain_page(self._query, before, limit))
        pages = [
            await self._fetched(search.token_page(self._query, wanted, before, limit))
            for wanted in self._tokens
        ]
        if self._outdated:
            pages.append(await self._fetched(search.outdated_page(self._query, before, limit)))
        found = {row.id: row for row in chain(*pages)}.values()
        return sorted(found, key=attrgetter("id"), reverse=True)[:limit]

    async def _tokens_by_key(self) -> list[list[int]]:
        """The tokens of each key; [[]] when the terms are too short for the index."""
        wanted = set(chain(*(grams(term) for term in self._query.terms)))
        if not wanted:
            return [[]]
        groups = [await search.rarest(self._connection, g) for g in self._cipher.tokens(wanted)]
        return [group for group in groups if group]

    async def _fetched(self, query: Any) -> list[Row[Any]]:
        return list((await self._connection.execute(query)).all())
