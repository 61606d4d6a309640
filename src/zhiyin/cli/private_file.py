"""Files for their owner's eyes only, which are replaced whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(file: Path) -> Iterator[TextIO]:
    """A text file to write; at the end it takes the place of `file`, with mode 0600.

    Whatever happens before, the old file stays as it is, and after a power cut either is there.
    Its owner stays too, as far as that is allowed. A pipe or device is written to directly.
    Raises OSError.
    """
    target = file.resolve()  # of a link, what it points to
    if target.exists() and not target.is_file():
        with target.open("w", encoding="utf-8") as out:
            yield out
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
            out.flush()
            _keep_owner(out, target)
            os.fsync(out.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep_owner(out: TextIO, target: Path) -> None:
    """So that a service can still read what root has written for it."""
    if target.exists() and os.geteuid() == 0:
        held = target.stat()
        os.fchown(out.fileno(), held.st_uid, held.st_gid)
