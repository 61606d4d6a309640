"""End of a process that can't get well by itself, so that its supervisor starts a clean one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

log = logging.getLogger(__name__)

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h; supervisors start a process anew after any code but 0."""


class Ending:
    """Ends the process as SIGTERM does, but with `EXIT_CODE`, and within `grace_s` seconds."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._begun = threading.Event()

    def begin(self) -> None:
        """Shut down now; from any thread, and as often as one likes."""
        if self._begun.is_set():
            return
        self._begun.set()
        log.critical("engine threads are stuck for good; the process ends (exit %d)", EXIT_CODE)
        timer = threading.Timer(self._grace_s, _exit)
        timer.daemon = True
        timer.start()
        os.kill(os.getpid(), signal.SIGTERM)

    def finish(self) -> None:
        """After the shutdown: threads stuck in native code would keep the interpreter alive."""
        if self._begun.is_set():
            _exit()


def _exit() -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(EXIT_CODE)
