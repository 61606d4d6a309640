"""Failure policy: whether an error fails, retries or defers a job; looked up along the MRO."""

from __future__ import annotations

from enum import Enum

from zhiyin.domain import errors as e


class Disposition(Enum):
    """FAIL ends the job. RETRY: the attempt counts. DEFER: released, and the attempt doesn't."""

    FAIL = "fail"
    RETRY = "retry"
    DEFER = "defer"


DISPOSITIONS: dict[type[e.AsrError], Disposition] = {
    e.InvalidRequest: Disposition.FAIL,
    e.Unauthenticated: Disposition.FAIL,
    e.ForeignOrigin: Disposition.FAIL,
    e.UnknownHost: Disposition.FAIL,
    e.UnknownModel: Disposition.FAIL,
    e.ModelNotInstalled: Disposition.FAIL,
    e.UnknownJob: Disposition.FAIL,
    e.UnknownRoom: Disposition.FAIL,
    e.NotFound: Disposition.FAIL,
    e.Conflict: Disposition.FAIL,
    e.SlowReader: Disposition.FAIL,
    e.SlowSender: Disposition.FAIL,
    e.SessionTaken: Disposition.FAIL,
    e.CannotDecrypt: Disposition.FAIL,
    e.BadWeights: Disposition.RETRY,
    e.UndecodableAudio: Disposition.FAIL,
    e.TooLarge: Disposition.FAIL,
    e.Overloaded: Disposition.DEFER,
    e.DeadlineExceeded: Disposition.FAIL,
    e.EngineFailed: Disposition.RETRY,
    e.Unavailable: Disposition.DEFER,
    e.MissingExtra: Disposition.FAIL,
    e.Unreachable: Disposition.RETRY,
    e.MissingBlob: Disposition.FAIL,
    e.ConfigError: Disposition.FAIL,
    e.AsrError: Disposition.RETRY,
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""


def disposition_of(error: e.AsrError) -> Disposition:
    """What becomes of a job whose attempt ended with `error`."""
    return e.row_for(DISPOSITIONS, error)
