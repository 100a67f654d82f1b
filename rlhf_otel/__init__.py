"""Placeholder while the rooms are being built."""

from rlhf_otel._version import __version__

__all__ = ["__version__"]
