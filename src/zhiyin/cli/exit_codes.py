"""Exit codes of the command line by error class; looked up along the MRO."""

from __future__ import annotations

from zhiyin.domain import errors as e

_FAILED, _USAGE, _MODEL, _RECORDING, _KEY = 1, 2, 3, 4, 5

EXIT_CODES: dict[type[e.AsrError], int] = {
    e.InvalidRequest: _USAGE,
    e.ConfigError: _USAGE,
    e.UnknownModel: _USAGE,
    e.ModelNotInstalled: _MODEL,
    e.BadWeights: _MODEL,
    e.UndecodableAudio: _RECORDING,
    e.TooLarge: _RECORDING,
    e.CannotDecrypt: _KEY,
    e.Unauthenticated: _FAILED,
    e.ForeignOrigin: _FAILED,
    e.UnknownHost: _FAILED,
    e.UnknownRoom: _FAILED,
    e.UnknownJob: _FAILED,
    e.NotFound: _FAILED,
    e.Conflict: _FAILED,
    e.MissingBlob: _FAILED,
    e.Unreachable: _FAILED,
    e.SlowReader: _FAILED,
    e.SlowSender: _FAILED,
    e.SessionTaken: _FAILED,
    e.Overloaded: _FAILED,
    e.DeadlineExceeded: _FAILED,
    e.EngineFailed: _FAILED,
    e.Unavailable: _FAILED,
    e.AsrError: _FAILED,
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""


def exit_code(error: e.AsrError) -> int:
    """2 wrong use or configuration, 3 model missing or bad, 4 bad recording, 5 bad key, 1 else."""
    return e.row_for(EXIT_CODES, error)
