"""From error class to what becomes of the job: one table, looked up along the MRO."""

from __future__ import annotations

from enum import Enum

from zhiyin.domain import errors as e


class Disposition(Enum):
    """FAIL: it can't be done. AGAIN: this attempt failed. WAIT: nobody could even try."""

    FAIL = "fail"
    AGAIN = "again"
    WAIT = "wait"


DISPOSITIONS: dict[type[e.AsrError], Disposition] = {
    e.InvalidRequest: Disposition.FAIL,
    e.Unauthenticated: Disposition.FAIL,
    e.UnknownModel: Disposition.FAIL,
    e.ModelNotInstalled: Disposition.FAIL,
    e.UnknownJob: Disposition.FAIL,
    e.UnknownRoom: Disposition.FAIL,
    e.NotFound: Disposition.FAIL,
    e.Conflict: Disposition.FAIL,
    e.SlowReader: Disposition.FAIL,
    e.SessionTaken: Disposition.FAIL,
    e.CannotDecrypt: Disposition.FAIL,
    e.BadWeights: Disposition.AGAIN,
    e.UndecodableAudio: Disposition.FAIL,
    e.TooLarge: Disposition.FAIL,
    e.Overloaded: Disposition.WAIT,
    e.DeadlineExceeded: Disposition.FAIL,
    e.EngineFailed: Disposition.AGAIN,
    e.Unavailable: Disposition.WAIT,
    e.MissingExtra: Disposition.FAIL,
    e.Unreachable: Disposition.AGAIN,
    e.MissingBlob: Disposition.FAIL,
    e.ConfigError: Disposition.FAIL,
    e.AsrError: Disposition.AGAIN,
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""


def disposition_of(error: e.AsrError) -> Disposition:
    """What becomes of a job whose attempt ended so."""
    return e.row_for(DISPOSITIONS, error)
