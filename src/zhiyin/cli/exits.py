"""From error class to exit code: one table, looked up along the MRO."""

from __future__ import annotations

from zhiyin.domain import errors as e

EXIT: dict[type[e.AsrError], int] = {
    e.InvalidRequest: 2,
    e.ConfigError: 2,
    e.UnknownModel: 2,
    e.CannotDecrypt: 5,
    e.ModelNotInstalled: 3,
    e.BadWeights: 3,
    e.UndecodableAudio: 4,
    e.TooLarge: 4,
    e.AsrError: 1,
}


def code_of(error: e.AsrError) -> int:
    """2 wrong use or configuration, 3 model missing or bad, 4 bad recording, 5 bad key, 1 else."""
    return e.row_for(EXIT, error)
