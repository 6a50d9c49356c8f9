"""NVIDIA GPUs, as far as they can be asked without starting a program.

`nvidia-ml-py` gives everything; without it the driver's files under `/proc` give
names and driver version. Having no GPU is the normal case and costs two
`stat` calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gitml.errors import GitmlError

_DRIVER = Path("/proc/driver/nvidia")
_WSL_DRIVER = Path("/usr/lib/wsl/lib/libnvidia-ml.so.1")


class GpuUsage(NamedTuple):
    """What a GPU does at a moment; None where the driver doesn't say."""

    utilization_percentage: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    power_watts: float | None
    power_limit_watts: float | None


class NvmlUnavailableError(GitmlError):
    """There is no NVIDIA driver or library to ask."""


def driver_mark() -> str:
    """Return a text that changes when the driver or the visible GPUs do; empty without a driver."""
    if os.name == "nt":
        return os.environ.get("SYSTEMROOT", "windows")
    if not _DRIVER.exists():
        return "wsl" if _WSL_DRIVER.exists() else ""
    gpus = sorted(os.listdir(_DRIVER / "gpus")) if (_DRIVER / "gpus").is_dir() else []
    version = _read(_DRIVER / "version").partition("\n")[0]
    return f"{version} {' '.join(gpus)} {'nvml' if _has_nvml() else ''}"


def describe_gpus() -> dict[str, object]:
    """Describe GPUs and driver: `gpus`, `gpu_driver`, `cuda`; empty where there are none."""
    try:
        with nvml() as library:
            return _describe_by_nvml(library)
    except (NvmlUnavailableError, ImportError):
        return _describe_by_files()


@contextmanager
def nvml() -> Iterator[Any]:
    """Open NVIDIA's management library and close it again.

    Raises:
        ImportError: nvidia-ml-py is not installed.
        NvmlUnavailableError: There is no driver, or it refuses.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as err:
        raise NvmlUnavailableError(f"NVIDIA's driver can't be asked: {err}") from err
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def read_usage(library: Any) -> list[GpuUsage]:
    """Read what every GPU does now, in the driver's order; `library` comes from `nvml()`."""
    usages = []
    for index in range(int(library.nvmlDeviceGetCount())):
        handle = library.nvmlDeviceGetHandleByIndex(index)
        utilization = _ask(library, "nvmlDeviceGetUtilizationRates", handle)
        memory = _ask(library, "nvmlDeviceGetMemoryInfo", handle)
        power = _ask(library, "nvmlDeviceGetPowerUsage", handle)
        limit = _ask(library, "nvmlDeviceGetEnforcedPowerLimit", handle)
        usages.append(
            GpuUsage(
                utilization_percentage=None if utilization is None else float(utilization.gpu),
                memory_used_bytes=None if memory is None else int(memory.used),
                memory_total_bytes=None if memory is None else int(memory.total),
                power_watts=None if power is None else power / 1000,
                power_limit_watts=None if not limit else limit / 1000,
            )
        )
    return usages


def _ask(library: Any, function: str, *arguments: Any) -> Any:
    try:
        return getattr(library, function)(*arguments)
    except library.NVMLError:  # virtual and integrated GPUs don't answer everything
        return None


def _describe_by_nvml(library: Any) -> dict[str, object]:
    gpus: list[dict[str, object]] = []
    for index in range(int(library.nvmlDeviceGetCount())):
        handle = library.nvmlDeviceGetHandleByIndex(index)
        gpu: dict[str, object] = {"name": _text(library.nvmlDeviceGetName(handle))}
        memory = _ask(library, "nvmlDeviceGetMemoryInfo", handle)
        if memory is not None:
            gpu["memory_bytes"] = int(memory.total)
        gpus.append(gpu)
    if not gpus:
        return {}
    facts: dict[str, object] = {"gpus": gpus}
    driver = _ask(library, "nvmlSystemGetDriverVersion")
    if driver is not None:
        facts["gpu_driver"] = _text(driver)
    cuda = _ask(library, "nvmlSystemGetCudaDriverVersion_v2")
    if cuda:
        facts["cuda"] = f"{cuda // 1000}.{cuda % 1000 // 10}"
    return facts


def _describe_by_files() -> dict[str, object]:
    gpus: list[dict[str, object]] = []
    for information in sorted(_DRIVER.glob("gpus/*/information")):
        model = _field(_read(information), "Model")
        if model:
            gpus.append({"name": model})
    if not gpus:
        return {}
    words = _read(_DRIVER / "version").partition("\n")[0].split()
    version = next((word for word in words if word[:1].isdigit() and "." in word), None)
    return {"gpus": gpus} if version is None else {"gpus": gpus, "gpu_driver": version}


def _field(text: str, name: str) -> str:
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _has_nvml() -> bool:
    from importlib.util import find_spec

    return find_spec("pynvml") is not None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # no such driver file on this machine
        return ""
