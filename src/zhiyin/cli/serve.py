"""`zhiyin serve`: the HTTP server."""

from __future__ import annotations

import ipaddress
import logging
import math
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from zhiyin.access.app import create_app
from zhiyin.access.context import AccessLimits
from zhiyin.access.http.connection import ConnectionLimits, limited
from zhiyin.access.http.origins import Sites, own_names
from zhiyin.access.ws.protocol import uvicorn_options
from zhiyin.access.ws.realtime.client import MAX_MESSAGE_BYTES
from zhiyin.config import Settings, load
from zhiyin.config.server import ServerSettings
from zhiyin.domain.errors import ConfigError
from zhiyin.ops.ending import Ending
from zhiyin.ops.logging import configure
from zhiyin.ops.memory import release_regularly
from zhiyin.wiring import build

_FILES = 1 << 16
"""Open files that the process asks for, when the system allows it."""

log = logging.getLogger(__name__)

_SPARE_S = 15.0
"""After `server.shutdown_s`, for engines and stores to be closed."""


def run(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError before anything starts."""
    server: dict[str, Any] = {"host": host, "port": port}
    chosen = {key: value for key, value in server.items() if value is not None}
    settings = load(server=chosen or None, data_dir=data_dir)
    configure(settings.log.level, settings.log.format)
    stream = _bind(settings)
    ending = Ending(settings.server.shutdown_s + _SPARE_S)
    services = build(settings, settings.jobs.workers, on_stuck=ending.begin)
    rooms = settings.captions
    limits = AccessLimits(
        int(settings.server.max_upload_mb * (1 << 20)),
        settings.server.max_uploads,
        settings.server.request_timeout_s,
        settings.live.idle_s,
        settings.live.grace_s,
        settings.live.max_message_kb,
        rooms.stall_s,
        rooms.publish_token.get_secret_value(),
        rooms.view_token.get_secret_value(),
        settings.live.max_idle_s,
        settings.server.body_idle_s,
        settings.server.body_bytes_s,
        int(settings.server.max_arriving_mb * (1 << 20)),
    )
    config = uvicorn.Config(
        create_app(services, limits, sites(settings.server)),
        http=limited(connection_limits(settings.server)),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=math.ceil(settings.server.shutdown_s),
        server_header=False,
        **uvicorn_options(max(MAX_MESSAGE_BYTES, settings.live.max_message_kb << 10)),
    )
    # uvicorn raises the signal again after shutdown; being stopped is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    release_regularly()
    _announce(stream)
    if settings.history.enabled and not ipaddress.ip_address(stream.getsockname()[0]).is_loopback:
        log.warning(
            "every client that reaches this address can read stored transcripts: see docs/data.md"
        )
    try:
        uvicorn.Server(config).run(sockets=[stream])
    finally:
        ending.finish()


def sites(server: ServerSettings) -> Sites:
    """The names of this server, and the origins that may use it."""
    names = own_names(server.host, socket.gethostname(), server.names)
    return Sites(names, frozenset(server.origins))


def connection_limits(server: ServerSettings) -> ConnectionLimits:
    """As set, and no more connections than the process may have files beside its others."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    connections = min(server.max_connections, most // 2)
    if connections < server.max_connections:
        log.warning("connections are limited to %d by the limit of open files", connections)
    return ConnectionLimits(connections, server.head_timeout_s, server.max_head_kb << 10)


def _bind(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        stream = socket.socket(family, socket.SOCK_STREAM)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections have it from their listener
            stall_ms = int(settings.server.stall_s * 1000)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stall_ms)
        stream.bind((host, port))
        stream.listen(2048)
    except OSError as error:
        raise ConfigError(f"Can't listen on {host}:{port}: {error.strerror or error}.") from error
    return stream


def _announce(stream: socket.socket) -> None:
    address, port = stream.getsockname()[:2]
    shown = "127.0.0.1" if ipaddress.ip_address(address).is_unspecified else address
    if ":" in shown:
        shown = f"[{shown}]"
    url = f"http://{shown}:{port}"
    print(
        f"zhiyin listens on {url}\n"
        f"  page:  {url}/\n"
        f"  docs:  {url}/docs\n"
        f"  try:   curl -F file=@speech.wav {url}/recognize",
        file=sys.stdout,
        flush=True,
    )
