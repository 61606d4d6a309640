"""Unacknowledged messages of a Kafka consumer, and the offsets that it may commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener


class KafkaProgress(ConsumerRebalanceListener):  # type: ignore[misc]
    """Unacknowledged messages of each partition; a commit must not pass the first of them."""

    def __init__(self) -> None:
        self._held: dict[TopicPartition, set[int]] = defaultdict(set)
        self._next: dict[TopicPartition, int] = {}

    def begun(self, partition: TopicPartition, offset: int) -> None:
        """A message was taken."""
        self._held[partition].add(offset)
        self._next[partition] = offset + 1

    def done(self, partition: TopicPartition, offset: int) -> int | None:
        """The offset to commit once it is acknowledged; None when the partition was revoked."""
        if offset not in self._held[partition]:
            return None
        self._held[partition].discard(offset)
        return min(self._held[partition], default=self._next[partition])

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Drop their unacknowledged messages: other consumers get them."""
        for partition in revoked:
            self._held.pop(partition, None)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Begins at the committed offset."""
