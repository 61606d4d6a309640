"""Whisper on CTranslate2, the default engine."""
