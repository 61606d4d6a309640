"""A real nginx with deploy/nginx/zhiyin.conf, in front of two servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.processes import Daemon, free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "zhiyin.conf"
_AROUND = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/zhiyin.conf;
}}
"""


@contextmanager
def nginx(servers: Sequence[str]) -> Iterator[str]:
    """Its address, in front of two others; `make test` installs it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    program = shutil.which("nginx", path=path)
    assert program is not None, "nginx is missing; run: tools/install-system-packages nginx"
    with tempfile.TemporaryDirectory(prefix="zhiyin-nginx-") as name:
        folder, port = Path(name), free_port()
        (folder / "zhiyin.conf").write_text(_aimed(port, servers))
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(_AROUND.format(user=user, folder=folder))
        running = Daemon([program, "-e", "stderr", "-c", str(folder / "nginx.conf")], port)
        running.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.stop()


def _aimed(port: int, servers: Sequence[str]) -> str:
    """The shipped file with other ports."""
    text = SHIPPED.read_text()
    here, there = (urlsplit(url).netloc for url in servers)
    for shipped, ours, count in (
        ("127.0.0.1:8001", here, 2),
        ("127.0.0.1:8002", there, 2),
        ("listen 8080", f"listen 127.0.0.1:{port}", 1),
    ):
        assert text.count(shipped) == count, shipped
        text = text.replace(shipped, ours)
    return text
