"""Fair shares of the engine: among owners first, then among the requests of each. Pure.

Start-time fair queueing (Goyal et al., SIGCOMM 1996) at two levels: the owner with the least
engine time is next, and one that was idle begins where the others are, without a credit for it.
"""

from __future__ import annotations

from dataclasses import dataclass

_MOST_OWNERS = 1024


@dataclass(slots=True)
class _Share:
    """Of an owner: engine seconds it was given, and the tag of its request served last."""

    tag: float
    virtual: float = 0.0


class FairShares:
    """Tags in engine seconds; smaller ones are served first."""

    def __init__(self) -> None:
        self._virtual = 0.0
        self._shares: dict[str, _Share] = {}

    def arrive(self, owner: str, tag: float, *, idle: bool) -> float:
        """A clip of a request with that tag is queued; `idle`: its owner had nothing queued.

        Gives the clip's tag among those of its owner.
        """
        if owner not in self._shares and len(self._shares) >= _MOST_OWNERS:
            self._drop_idle()
        share = self._shares.setdefault(owner, _Share(self._virtual))
        if idle:
            share.tag = max(share.tag, self._virtual)
        return max(share.virtual, tag)

    def serve(self, owner: str, tag: float, cost_s: float) -> None:
        """A clip with that tag goes to the engine, for about so long."""
        share = self._shares.setdefault(owner, _Share(self._virtual))
        self._virtual = max(self._virtual, share.tag)
        share.tag += cost_s
        share.virtual = max(share.virtual, tag)

    def of(self, owner: str) -> float:
        """The owner's tag."""
        share = self._shares.get(owner)
        return self._virtual if share is None else share.tag

    def _drop_idle(self) -> None:
        """Drop owners that are not ahead of the others: they would begin again where they are."""
        self._shares = {o: s for o, s in self._shares.items() if s.tag > self._virtual}
