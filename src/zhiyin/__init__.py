"""zhiyin (知音): a self-hosted speech-recognition service."""

__version__ = "0.1.0"
