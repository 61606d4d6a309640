"""From error class to what becomes of the job: one table, looked up along the MRO."""

from __future__ import annotations

from enum import Enum

from zhiyin.domain import errors as e


class Fate(Enum):
    """FAIL: it can't be done. AGAIN: this attempt failed. WAIT: nobody could even try."""

    FAIL = "fail"
    AGAIN = "again"
    WAIT = "wait"


FATE: dict[type[e.AsrError], Fate] = {
    e.InvalidRequest: Fate.FAIL,
    e.Unauthenticated: Fate.FAIL,
    e.UnknownModel: Fate.FAIL,
    e.ModelNotInstalled: Fate.FAIL,
    e.UnknownJob: Fate.FAIL,
    e.UnknownRoom: Fate.FAIL,
    e.NotFound: Fate.FAIL,
    e.CannotDecrypt: Fate.FAIL,
    e.Conflict: Fate.FAIL,
    e.BadWeights: Fate.AGAIN,
    e.UndecodableAudio: Fate.FAIL,
    e.TooLarge: Fate.FAIL,
    e.Overloaded: Fate.WAIT,
    e.DeadlineExceeded: Fate.FAIL,
    e.EngineFailed: Fate.AGAIN,
    e.Unavailable: Fate.WAIT,
    e.MissingExtra: Fate.FAIL,
    e.Unreachable: Fate.AGAIN,
    e.MissingBlob: Fate.FAIL,
    e.ConfigError: Fate.FAIL,
    e.AsrError: Fate.AGAIN,
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""


def fate_of(error: e.AsrError) -> Fate:
    """What becomes of a job whose attempt ended so."""
    return e.row_for(FATE, error)
