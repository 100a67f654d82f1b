"""Whether the application has set global providers, and which."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from opentelemetry import _logs, metrics, trace

from rlhf_otel.export.own import is_stand_in


def tracer_provider() -> Any:
    """The global tracer provider; None where none has been set.

    The API's own function asks the environment each time as long as that is so, which is a tenth of what a call costs.
    """
    if getattr(trace, "_TRACER_PROVIDER", trace) is None and not _LOADED_BY_NAME:
        return None
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider


_LOADED_BY_NAME = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ
"""A provider that this variable names is made by the API when it is first asked for."""


def meter_provider() -> Any:
    """The global meter provider; None where none has been set. Not asked for then, for the same reason."""
    return _where_set(metrics, "_METER_PROVIDER", metrics.get_meter_provider, _METERS_LOADED_BY_NAME)


_METERS_LOADED_BY_NAME = "OTEL_PYTHON_METER_PROVIDER" in os.environ


def logger_provider() -> Any:
    """The global logger provider; None where none has been set. The same holds."""
    return _where_set(_logs, "_LOGGER_PROVIDER", _logs.get_logger_provider, _LOGGERS_LOADED_BY_NAME)


_LOGGERS_LOADED_BY_NAME = "OTEL_PYTHON_LOGGER_PROVIDER" in os.environ


def _where_set(api: Any, name: str, get: Callable[[], Any], is_loaded_by_name: bool) -> Any:
    if getattr(getattr(api, "_internal", api), name, api) is None and not is_loaded_by_name:
        return None
    provider = get()
    return None if is_stand_in(provider) else provider
