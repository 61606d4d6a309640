"""Error rates: how far a text is from its reference. Needs the extra `calibrate`."""

from zhiyin.scoring.rates import Edits, Metric, metric, score, total, units, visible_characters

__all__ = ["Edits", "Metric", "metric", "score", "total", "units", "visible_characters"]
