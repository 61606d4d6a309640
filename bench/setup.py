"""What all recognizers and servers of a run share, and the recognizers opened with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from bench.ours import Variant, Zhiyin, model_folder, settings
from bench.peer import Peer, PeerSettings
from bench.peers import PEERS

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setup:
    """A model of zhiyin, a device, CPU threads and a number format of the weights."""

    model: str
    device: str
    threads: int
    compute_type: str

    @property
    def folder(self) -> Path:
        """The weights. Raises AsrError when they are not installed."""
        return model_folder(settings(self.model, self.device, self.threads, self.compute_type))


@contextmanager
def recognizer(name: str, setup: Setup) -> Iterator[Peer]:
    """Zhiyin as a library or a peer, loaded. Raises KeyError for an unknown name."""
    given = (setup.device, setup.threads, setup.compute_type)
    variant = Variant.named(name)
    if variant is None:
        yield PEERS[name](PeerSettings(setup.folder, *given))
        return
    with Zhiyin(settings(setup.model, *given, **variant.settings), variant.beam_size) as ours:
        yield ours


def in_own_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns from a fresh process, whose memory is its own; raises what it raises."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(work, *args, **kwargs).result()
