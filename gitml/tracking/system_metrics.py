"""Measure the machine in the background while a run trains.

Names are MLflow's: `system/cpu_utilization_percentage` and so on. Megabytes are
millions of bytes. A value that can't be measured is left out; measuring never
stops a training.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gitml.errors import InvalidValueError, MissingExtraError
from gitml.tracking.capture import nvidia

if TYPE_CHECKING:
    from types import ModuleType

_MEGABYTE = 1e6
_STOP_PATIENCE_S = 5.0
_SHORTEST_SAMPLE_S = 0.05  # over less time, processor utilization is noise

LogMetrics = Callable[[dict[str, float]], None]


class SystemMetricsMonitor:
    """A background thread that samples processor, memory, disk, network and NVIDIA GPUs.

    The last, partial interval is logged when it stops, so that runs shorter
    than an interval have values too. In a forked child it is silent: only the
    process that started it logs.
    """

    def __init__(
        self,
        log: LogMetrics,
        interval_s: float = 10,
        samples_before_logging: int = 1,
        *,
        node_id: str | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            log: Called from the thread with names and values.
            interval_s: Seconds between two samples.
            samples_before_logging: How many samples are averaged into one value.
            node_id: Names the machine where several log to one run: metrics
                become `system/<node_id>/…`.

        Raises:
            InvalidValueError: An interval or a number of samples that is not positive.
            MissingExtraError: psutil is not installed.
        """
        if not interval_s > 0:
            raise InvalidValueError("setting", "interval_s", "must be more than 0 seconds")
        if samples_before_logging < 1:
            raise InvalidValueError("setting", "samples_before_logging", "must be at least 1")
        self._log = log
        self._interval_s = interval_s
        self._samples_before_logging = samples_before_logging
        self._prefix = f"system/{node_id}/" if node_id else "system/"
        self._psutil = _import_psutil()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._owner = 0
        self._warned = False

    def start(self) -> None:
        """Start sampling; does nothing if it runs already in this process."""
        if self.is_running:
            return
        self._stopping = threading.Event()
        self._owner = os.getpid()
        self._thread = threading.Thread(
            target=self._watch, args=(self._stopping,), name="gitml-system-metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Log what was sampled last and end; does nothing if it doesn't run in this process."""
        thread = self._thread
        if thread is None or self._owner != os.getpid():
            return
        self._stopping.set()
        thread.join(_STOP_PATIENCE_S)
        self._thread = None

    @property
    def is_running(self) -> bool:
        """Whether this process is sampling."""
        return self._thread is not None and self._owner == os.getpid() and self._thread.is_alive()

    def _watch(self, stopping: threading.Event) -> None:
        with ExitStack() as stack:
            try:
                sampler = _Sampler(self._psutil, stack)
            except Exception as err:  # noqa: BLE001 - whatever goes wrong here, the training goes on
                self._warn(err)
                return
            self._sample_until(stopping, sampler)

    def _sample_until(self, stopping: threading.Event, sampler: _Sampler) -> None:
        samples: list[dict[str, float]] = []
        last = time.monotonic()
        while not stopping.wait(self._interval_s):
            samples.append(self._sample(sampler))
            last = time.monotonic()
            if len(samples) >= self._samples_before_logging:
                self._flush(samples)
        if time.monotonic() - last >= _SHORTEST_SAMPLE_S:
            samples.append(self._sample(sampler))
        self._flush(samples)

    def _sample(self, sampler: _Sampler) -> dict[str, float]:
        values: dict[str, float] = {}
        for measure in sampler.measures:
            try:
                values.update(measure())
            except Exception as err:  # noqa: BLE001 - drivers raise anything; the other measures go on
                self._warn(err)
        return values

    def _flush(self, samples: list[dict[str, float]]) -> None:
        values = {self._prefix + name: value for name, value in _average(samples).items()}
        samples.clear()
        if not values:
            return
        try:
            self._log(values)
        except Exception as err:  # noqa: BLE001 - as above
            self._warn(err)

    def _warn(self, err: Exception) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"system metrics are incomplete: {err}", RuntimeWarning, stacklevel=2)


class _Sampler:
    """Measures one machine; lives in the thread that uses it."""

    def __init__(self, psutil: ModuleType, stack: ExitStack) -> None:
        self._psutil = psutil
        psutil.cpu_percent()  # percentages are of the time since the last call in this thread
        self._network_start = psutil.net_io_counters()
        self.measures: list[Callable[[], dict[str, float]]] = [
            self._measure_cpu,
            self._measure_memory,
            self._measure_disk,
            self._measure_network,
        ]
        try:
            self._nvml = stack.enter_context(nvidia.nvml())
        except (ImportError, nvidia.NvmlUnavailableError):
            return
        self.measures.append(self._measure_gpus)

    def _measure_cpu(self) -> dict[str, float]:
        return {"cpu_utilization_percentage": float(self._psutil.cpu_percent())}

    def _measure_memory(self) -> dict[str, float]:
        memory = self._psutil.virtual_memory()
        return {
            "system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system_memory_usage_percentage": float(memory.percent),
        }

    def _measure_disk(self) -> dict[str, float]:
        disk = self._psutil.disk_usage(os.sep)
        return {
            "disk_usage_percentage": float(disk.percent),
            "disk_usage_megabytes": disk.used / _MEGABYTE,
            "disk_available_megabytes": disk.free / _MEGABYTE,
        }

    def _measure_network(self) -> dict[str, float]:
        """Traffic since the monitor started, of the whole machine."""
        now, start = self._psutil.net_io_counters(), self._network_start
        if now is None or start is None:  # no network interface
            return {}
        return {
            "network_receive_megabytes": (now.bytes_recv - start.bytes_recv) / _MEGABYTE,
            "network_transmit_megabytes": (now.bytes_sent - start.bytes_sent) / _MEGABYTE,
        }

    def _measure_gpus(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for index, gpu in enumerate(nvidia.read_usage(self._nvml)):
            prefix = f"gpu_{index}_"
            if gpu.utilization_percentage is not None:
                values[prefix + "utilization_percentage"] = gpu.utilization_percentage
            if gpu.memory_used_bytes is not None:
                values[prefix + "memory_usage_megabytes"] = gpu.memory_used_bytes / _MEGABYTE
                if gpu.memory_total_bytes:
                    values[prefix + "memory_usage_percentage"] = (
                        100 * gpu.memory_used_bytes / gpu.memory_total_bytes
                    )
            if gpu.power_watts is not None:
                values[prefix + "power_usage_watts"] = gpu.power_watts
                if gpu.power_limit_watts:
                    values[prefix + "power_usage_percentage"] = 100 * gpu.power_watts / gpu.power_limit_watts
        return values


def _average(samples: list[dict[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            columns.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in columns.items()}


def _import_psutil() -> ModuleType:
    try:
        import psutil
    except ImportError as err:
        raise MissingExtraError("system metrics", "system") from err
    return psutil
