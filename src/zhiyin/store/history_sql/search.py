"""Queries for pages of entries, built so that both databases walk them in order and stop early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from zhiyin.domain.history import HistoryQuery, first_id
from zhiyin.domain.search import INDEX_VERSION
from zhiyin.store.history_sql.rows import SUMMARY
from zhiyin.store.history_sql.tables import tokens, transcripts

_MAX_COUNT = 500  # rows up to which a token is counted
_MAX_TOKENS = 8  # tokens of a query that are looked up; the text is checked for the rest


def plain_page(query: HistoryQuery, before: int | None, limit: int) -> Select[Any]:
    """The newest entries that fit, whatever their text."""
    chosen = select(*SUMMARY).where(*_filters(query), *_within(transcripts.c.id, query, before))
    if query.language:  # else MariaDB intersects two indexes, and sorts all that it finds
        for dialect in ("mysql", "mariadb"):
            hint = "USE INDEX (transcripts_language)"
            chosen = chosen.with_hint(transcripts, hint, dialect)
    return chosen.order_by(transcripts.c.id.desc()).limit(limit)


def outdated(column: ColumnElement[int]) -> ColumnElement[bool]:
    """Which entries have tokens by older rules; equalities, so that an index is walked in order."""
    return or_(*(column == version for version in range(INDEX_VERSION)))


def outdated_page(query: HistoryQuery, before: int | None, limit: int) -> Select[Any]:
    """The newest entries that fit and whose tokens can't be trusted, whatever their text."""
    return plain_page(query, before, limit).where(outdated(transcripts.c.indexed))


def token_page(
    query: HistoryQuery, wanted: Sequence[int], before: int | None, limit: int
) -> Select[Any]:
    """The newest entries that have all of the tokens, the rarest token given first."""
    first, *rest = wanted
    hits = tokens.alias("hits")
    chosen = select(*SUMMARY).select_from(
        hits.join(transcripts, transcripts.c.id == hits.c.transcript)
    )
    for number, token in enumerate(rest):
        other = tokens.alias(f"also{number}")
        same = (other.c.token == token) & (other.c.transcript == hits.c.transcript)
        chosen = chosen.where(select(literal(1)).where(same).exists())
    chosen = chosen.where(
        hits.c.token == first, *_within(hits.c.transcript, query, before), *_filters(query)
    )
    return chosen.order_by(hits.c.transcript.desc()).limit(limit)


async def has_outdated(connection: AsyncConnection, owner: str) -> bool:
    """Whether an owner has such entries."""
    theirs = select(transcripts.c.id).where(transcripts.c.owner == owner)
    some = theirs.where(outdated(transcripts.c.indexed)).limit(1)
    return (await connection.execute(some)).first() is not None


async def rarest(connection: AsyncConnection, wanted: Sequence[int]) -> list[int]:
    """The tokens to look up, the rarest first; empty when one of them is nowhere."""
    if len(wanted) == 1:
        return list(wanted)
    counts = []
    for token in wanted:
        some = select(literal(1)).where(tokens.c.token == token).limit(_MAX_COUNT).subquery()
        number = select(func.count()).select_from(some).scalar_subquery()
        counts.append(select(literal(token).label("token"), number.label("number")))
    found = [(row.number, row.token) for row in await connection.execute(union_all(*counts))]
    ordered = sorted(found)
    return [] if ordered[0][0] == 0 else [token for _, token in ordered[:_MAX_TOKENS]]


def _filters(query: HistoryQuery) -> list[ColumnElement[bool]]:
    columns = transcripts.c
    chosen: list[ColumnElement[bool]] = [columns.owner == query.owner]
    if query.language:
        chosen.append(columns.language == query.language)
    if query.model:
        chosen.append(columns.model == query.model)
    return chosen


def _within(
    column: ColumnElement[int], query: HistoryQuery, before: int | None
) -> list[ColumnElement[bool]]:
    """Times are ranges of ids."""
    chosen: list[ColumnElement[bool]] = []
    if query.since is not None:
        chosen.append(column >= first_id(query.since))
    if query.until is not None:
        chosen.append(column < first_id(query.until))
    if before is not None:
        chosen.append(column < before)
    return chosen
