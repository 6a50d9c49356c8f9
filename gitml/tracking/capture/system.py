"""The machine a run was made on: platform, processor, memory, GPUs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from gitml.formats.yaml import dump_mapping
from gitml.tracking.capture import nvidia
from gitml.tracking.capture.cache import CaptureCache, cache_name

_FORMAT = 1


def capture_system(cache_dir: Path) -> bytes:
    """Describe the machine as canonical YAML.

    Keys, absent where unknown: `platform`, `system`, `machine`, `cpu`, `cores`
    (logical), `memory_bytes`, `gpus` (each `name`, `memory_bytes`),
    `gpu_driver`, `cuda` (the newest CUDA that the driver supports).

    Args:
        cache_dir: Where what was found out is kept until the next boot.
    """
    cache = CaptureCache(cache_dir)
    name = cache_name("system", *_kernel())  # machines that share a folder keep one entry each
    mark = f"{_FORMAT}\n{_boot_id()}\n{nvidia.driver_mark()}"
    known = cache.load(name, mark)
    if isinstance(known, str):
        return known.encode()
    text = dump_mapping(describe_system())
    cache.store(name, mark, text)
    return text.encode()


def describe_system() -> dict[str, object]:
    """Find out about the machine; the keys are those of `capture_system`."""
    import platform

    facts: dict[str, object] = {
        "platform": platform.platform(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        **nvidia.describe_gpus(),
    }
    return {key: value for key, value in facts.items() if value}


def _kernel() -> tuple[str, ...]:
    return tuple(os.uname()) if hasattr(os, "uname") else (sys.platform,)


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _cpu_model() -> str:
    for field in ("model name", "Model", "cpu model", "Hardware"):
        found = re.search(rf"(?m)^{field}\s*:\s*(.+?)\s*$", _read("/proc/cpuinfo"))
        if found:
            return re.sub(r"\s+", " ", found.group(1))
    if sys.platform == "darwin":
        return _apple_cpu_model()
    import platform

    return platform.processor()


def _apple_cpu_model() -> str:
    import subprocess

    result = subprocess.run(
        ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    return result.stdout.strip()


def _memory_bytes() -> int | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:  # not Linux
        return ""
