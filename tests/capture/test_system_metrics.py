"""Sampling the machine in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from gitml.errors import InvalidValueError
from gitml.tracking.system_metrics import SystemMetricsMonitor

ALWAYS = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_available_megabytes",
    "system/network_receive_megabytes",
    "system/network_transmit_megabytes",
}

# Stands in for NVIDIA's library, which needs a GPU; the second GPU answers little, as virtual ones do.
FAKE_NVML = """
from types import SimpleNamespace

class NVMLError(Exception):
    pass

def nvmlInit(): pass
def nvmlShutdown(): print("shut down")
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetName(handle): return b"NVIDIA Test GPU"
def nvmlSystemGetDriverVersion(): return "550.54"
def nvmlSystemGetCudaDriverVersion_v2(): return 12040
def nvmlDeviceGetMemoryInfo(handle): return SimpleNamespace(used=25_000_000, total=100_000_000)
def _only_first(handle, answer):
    if handle: raise NVMLError("not supported")
    return answer
def nvmlDeviceGetUtilizationRates(handle): return _only_first(handle, SimpleNamespace(gpu=75))
def nvmlDeviceGetPowerUsage(handle): return _only_first(handle, 350_000)
def nvmlDeviceGetEnforcedPowerLimit(handle): return _only_first(handle, 700_000)
"""


class Log:
    """Collects what a monitor logs."""

    def __init__(self):
        self.calls = []
        self.arrived = threading.Event()

    def __call__(self, values):
        self.calls.append(values)
        self.arrived.set()


def run_python(code, *, path=""):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.getcwd()])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_logs_mlflows_names_with_plausible_values():
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=0.1)
    monitor.start()
    assert log.arrived.wait(20)
    monitor.stop()
    values = log.calls[0]
    assert set(values) >= ALWAYS
    assert all(isinstance(value, float) for value in values.values())
    assert 0 <= values["system/cpu_utilization_percentage"] <= 100
    assert 0 < values["system/system_memory_usage_percentage"] <= 100
    assert values["system/disk_usage_megabytes"] > 0
    assert values["system/network_receive_megabytes"] >= 0


def test_a_run_shorter_than_the_interval_has_values():
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=3600)
    monitor.start()
    time.sleep(0.1)
    started = time.monotonic()
    monitor.stop()
    assert time.monotonic() - started < 5
    assert len(log.calls) == 1


def test_samples_are_averaged_before_logging():
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=0.02, samples_before_logging=3)
    monitor.start()
    assert log.arrived.wait(20)
    assert len(log.calls) == 1
    monitor.stop()


def test_a_node_has_its_own_names():
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=0.02, node_id="worker-1")
    monitor.start()
    assert log.arrived.wait(20)
    monitor.stop()
    assert "system/worker-1/cpu_utilization_percentage" in log.calls[0]


def test_nothing_is_logged_after_stop_and_it_can_be_started_again():
    log = Log()
    monitor = SystemMetricsMonitor(log, interval_s=0.02)
    monitor.start()
    monitor.start()
    assert log.arrived.wait(20)
    monitor.stop()
    monitor.stop()
    assert not monitor.is_running
    count = len(log.calls)
    time.sleep(0.1)
    assert len(log.calls) == count
    log.arrived.clear()
    monitor.start()
    assert log.arrived.wait(20)
    monitor.stop()


def test_a_failing_log_warns_once_and_sampling_goes_on():
    calls = threading.Semaphore(0)

    def log(values):
        calls.release()
        raise OSError("disk full")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monitor = SystemMetricsMonitor(log, interval_s=0.02)
        monitor.start()
        assert all(calls.acquire(timeout=20) for _ in range(3))
        monitor.stop()
    assert [str(warning.message) for warning in caught] == ["system metrics are incomplete: disk full"]


@pytest.mark.parametrize(
    "settings", [{"interval_s": 0}, {"interval_s": float("nan")}, {"samples_before_logging": 0}]
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(InvalidValueError):
        SystemMetricsMonitor(print, **settings)


def test_without_psutil_the_error_names_the_extra():
    out = run_python("""
        import sys
        sys.modules["psutil"] = None
        from gitml.errors import MissingExtraError
        from gitml.tracking.system_metrics import SystemMetricsMonitor
        try:
            SystemMetricsMonitor(print)
        except MissingExtraError as err:
            print(err, "|", err.hint)
    """)
    assert "pip install 'gitml[system]'" in out


def test_importing_it_loads_neither_psutil_nor_nvml():
    out = run_python("""
        import sys
        import gitml.tracking.system_metrics
        print({"psutil", "pynvml"} & set(sys.modules))
    """)
    assert out == "set()\n"


def test_gpus_are_measured_where_nvidias_library_is(tmp_path):
    (tmp_path / "pynvml.py").write_text(FAKE_NVML)
    out = run_python(
        """
        import threading
        from gitml.tracking.system_metrics import SystemMetricsMonitor
        done, logged = threading.Event(), []
        def log(values):
            logged.append(values)
            done.set()
        monitor = SystemMetricsMonitor(log, interval_s=0.02)
        monitor.start()
        assert done.wait(20)
        monitor.stop()
        for name, value in logged[0].items():
            if "gpu" in name:
                print(name, value)
        """,
        path=tmp_path,
    )
    assert out.splitlines() == [
        "shut down",
        "system/gpu_0_utilization_percentage 75.0",
        "system/gpu_0_memory_usage_megabytes 25.0",
        "system/gpu_0_memory_usage_percentage 25.0",
        "system/gpu_0_power_usage_watts 350.0",
        "system/gpu_0_power_usage_percentage 50.0",
        "system/gpu_1_memory_usage_megabytes 25.0",
        "system/gpu_1_memory_usage_percentage 25.0",
    ]


def test_gpus_and_driver_are_described(tmp_path):
    (tmp_path / "pynvml.py").write_text(FAKE_NVML)
    out = run_python(
        "from gitml.tracking.capture.nvidia import describe_gpus; print(describe_gpus())", path=tmp_path
    )
    gpu = {"name": "NVIDIA Test GPU", "memory_bytes": 100_000_000}
    assert out.splitlines()[-1] == str({"gpus": [gpu, gpu], "gpu_driver": "550.54", "cuda": "12.4"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_silent_and_can_end():
    out = run_python("""
        import os, sys, threading, time
        from gitml.tracking.system_metrics import SystemMetricsMonitor
        arrived = threading.Event()
        def tell(*words):
            os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # a print is two writes: threads mix them
        def log(values):
            tell("logged by", os.getpid())
            arrived.set()
        monitor = SystemMetricsMonitor(log, interval_s=0.05)
        monitor.start()
        assert arrived.wait(20)
        child = os.fork()
        if not child:
            time.sleep(0.2)
            assert not monitor.is_running
            monitor.stop()
            os._exit(0)
        tell("child", child, os.waitpid(child, 0)[1])
        assert monitor.is_running
        monitor.stop()
    """)
    child = next(line.split() for line in out.splitlines() if line.startswith("child"))
    assert child[2] == "0"
    assert f"logged by {child[1]}" not in out
