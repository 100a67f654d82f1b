"""Metrics on their way out: collected and exported by the export thread, never by a thread of the SDK's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader

from rlhf_otel import hooks
from rlhf_otel.export.forked import threadless
from rlhf_otel.export.otlp import BACKEND, quiet

_DEFAULT_INTERVAL_S = 60.0
_PREFERENCES = (
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
)


class _Reader(MetricReader):
    """Hands what was collected to exporters that are made when there is something to export for the first time.

    Only where the environment has preferences, which an exporter tells before, are they made at once.
    """

    def __init__(self, make_exporters: Callable[[], Sequence[Any]]) -> None:
        self._make_exporters = make_exporters
        self._exporters: Sequence[Any] | None = None
        preferences: dict[str, Any] = {}
        if any(os.environ.get(name) for name in _PREFERENCES):
            self._exporters = make_exporters()
            for exporter in self._exporters[:1]:
                preferences["preferred_temporality"] = exporter._preferred_temporality
                preferences["preferred_aggregation"] = exporter._preferred_aggregation
        super().__init__(**preferences)

    def _receive_metrics(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        if self._exporters is None:
            self._exporters = self._make_exporters()
        for exporter in self._exporters:
            with quiet():
                exported = exporter.export(metrics_data, timeout_millis=timeout_millis).name == "SUCCESS"
            if not exported:
                hooks.say(BACKEND, "the backend does not take metrics (calls and feedback are not affected)")

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shuts the exporters down."""
        for exporter in self._exporters or ():
            exporter.shutdown()


class Metrics:
    """A meter provider of our own, exported when it is due and something has been measured since."""

    def __init__(self, resource: Any, make_exporters: Callable[[], Sequence[Any]]) -> None:
        self.provider = threadless(MeterProvider)([_Reader(make_exporters)], resource=resource, shutdown_on_exit=False)
        interval = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")
        self._interval_s = float(interval) / 1000 if interval.isdigit() else _DEFAULT_INTERVAL_S
        self._due: float | None = None

    def measured(self) -> bool:
        """Says that something was measured; whether that is the first since the last export."""
        if self._due is not None:
            return False
        self._due = time.monotonic() + self._interval_s
        return True

    def due_in(self) -> float | None:
        """Seconds until the next export; None where nothing has been measured since the last one."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def export(self) -> None:
        """Exports now."""
        self._due = None
        try:
            self.provider.force_flush()
        except Exception as error:  # noqa: BLE001 - the SDK reports its readers' faults as bare exceptions
            hooks.say("metrics", "metrics were not exported: %s", error)
