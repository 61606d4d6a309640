"""Wiring of the text steps."""

from __future__ import annotations

from zhiyin.config import Settings
from zhiyin.core.text_steps import TextSteps
from zhiyin.text.script import ScriptConversion


def make_text_steps(settings: Settings) -> TextSteps:
    """All steps, in the order in which they run."""
    return TextSteps(spelling=[ScriptConversion(settings.text.script)])
