"""What the machine did during a run: CPU by psutil, GPUs by NVML, sampled by a thread.

Nothing here can end a run: a sampler that fails says so in `sampler_error`. A figure that cannot
be had (no GPU, a call the device does not support) is None, never zero.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

CPU_COLUMNS = ("time", "cpu", "system_cpu", "rss")
GPU_QUANTITIES = ("utilisation", "memory", "power", "clock")
POINTS = 2_000
RESERVOIR = 4_096
CHILDREN_EVERY = 1.0
"""Seconds between searches for child processes: a walk over the process table, about 3 ms."""

THROTTLE_REASONS = {
    0x001: "gpu_idle",
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
"""Bits of nvmlDeviceGetCurrentClocksThrottleReasons (NVML reference, nvmlClocksEventReasons)."""


def throttle_names(mask: int) -> list[str]:
    """The names of the reasons set in an NVML mask; a bit without a name is given in hex."""
    bits = (1 << i for i in range(mask.bit_length()) if mask >> i & 1)
    return [THROTTLE_REASONS.get(bit, f"0x{bit:x}") for bit in bits]


class Sampler:
    """Samples the machine every `interval` seconds between `with` and its end.

    Memory is bounded whatever the length of the run: the timeline keeps at most 2,000 points, and
    quantiles come from all samples up to 4,096 and from a uniform choice of 4,096 beyond.
    """

    def __init__(self, interval: float = 0.1, gpu: bool = True) -> None:
        self.interval = interval
        self.error: str | None = None
        self.peak_rss = 0
        self.first_rss = 0
        self._with_gpu = gpu
        self._stop = threading.Event()
        self._gpus: list[_Gpu] = []
        self._tree = _ProcessTree()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sampler:
        if self._with_gpu:
            self._gpus, self.error = open_gpus()
        self.columns = CPU_COLUMNS + tuple(
            f"gpu{gpu.index}_{quantity}" for gpu in self._gpus for quantity in GPU_QUANTITIES
        )
        self._timeline = _Timeline(len(self.columns))
        self._reservoir = _Reservoir(len(self.columns))
        self._lifetime_peak = lifetime_peak_rss()
        self._start = self._last = time.perf_counter()
        try:
            self._tree.sample()  # CPU shares are since the last look: this is the first
            psutil.cpu_percent(None)
            self.first_rss = self.peak_rss = self._tree.rss
        except Exception as error:
            self._failed(error)
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._gpus:
            self.error = self._gpus[0].close() or self.error
        # The system knows this process's own peak exactly, if it was reached in this block.
        if (peak := lifetime_peak_rss()) > self._lifetime_peak:
            self.peak_rss = max(self.peak_rss, peak)

    def _loop(self) -> None:
        try:
            psutil.cpu_percent(None)  # psutil keeps one "last look" a thread
            while not self._stop.wait(self.interval):
                self._sample()
            if not self._reservoir.seen or time.perf_counter() - self._last > self.interval / 2:
                self._sample()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"

    def _sample(self) -> None:
        self._last = time.perf_counter()
        cpu = self._tree.sample()
        self.peak_rss = max(self.peak_rss, self._tree.rss)
        row = [self._last - self._start, cpu, psutil.cpu_percent(None), float(self._tree.rss)]
        for gpu in self._gpus:
            row += gpu.sample()
            self.error = gpu.error or self.error
        values = np.array([math.nan if v is None else v for v in row])
        self._timeline.add(values)
        self._reservoir.add(values)

    def timeline(self) -> dict[str, list[float | None]]:
        """Equally long columns: `time` (s), `cpu` and `system_cpu` (%), `rss` (bytes), and for
        each device `gpuN_utilisation` (%), `_memory` (bytes), `_power` (W), `_clock` (MHz).

        `cpu` is of this process and its children and exceeds 100 on several cores.
        """
        rows = self._timeline.rows()
        return {name: [_value(v) for v in rows[:, i]] for i, name in enumerate(self.columns)}

    def summary(self) -> dict[str, Any]:
        """Mean, p5, p50, p95 and max of each quantity; None where nothing was measured.

        `gpu_utilisation` and `gpu_clock` are means over devices, `gpu_memory` and `gpu_power` sums;
        `devices` has each by itself, with `throttle`: the share of samples with each reason. `rss`
        sums over processes, so pages that they share count more than once.
        """
        rows = self._reservoir.rows()
        column = {name: rows[:, i] for i, name in enumerate(self.columns)}
        devices = []
        for gpu in self._gpus:
            own = {q: describe(column[f"gpu{gpu.index}_{q}"]) for q in GPU_QUANTITIES}
            devices.append({**gpu.identity(), **own, "throttle": gpu.throttle()})
        overall = {
            f"gpu_{q}": describe(
                _over_devices([column[f"gpu{g.index}_{q}"] for g in self._gpus], q)
            )
            for q in GPU_QUANTITIES
        }
        return {
            "samples": self._reservoir.seen,
            "interval": self.interval,
            **{name: describe(column[name]) for name in CPU_COLUMNS[1:]},
            "peak_rss": self.peak_rss or None,
            **overall,
            "devices": devices,
            "sampler_error": self.error,
        }


def describe(values: Iterable[float]) -> dict[str, float] | None:
    """Mean, p5, p50, p95 and max of the values that are numbers; None if there are none."""
    kept = np.array([v for v in values if not math.isnan(v)])
    if not len(kept):
        return None
    p5, p50, p95 = np.percentile(kept, [5, 50, 95])
    named = {"mean": kept.mean(), "p5": p5, "p50": p50, "p95": p95, "max": kept.max()}
    return {name: float(value) for name, value in named.items()}


def _over_devices(columns: Sequence[NDArray[np.float64]], quantity: str) -> Iterable[float]:
    rows = [[v for v in row if not math.isnan(v)] for row in zip(*columns, strict=True)]
    rows = [row for row in rows if row]
    if quantity in ("memory", "power"):
        return [sum(row) for row in rows]
    return [sum(row) / len(row) for row in rows]


def _value(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def lifetime_peak_rss() -> int:
    """The most memory this process itself ever held, in bytes; 0 where the system does not say."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held before it started us
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(found[1]) * 1024 if found else 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Timeline:
    """Rows in order, in a fixed space: when it is full, neighbours are merged two by two."""

    def __init__(self, columns: int, points: int = POINTS) -> None:
        self._rows = np.empty((points, columns))
        self._used = 0
        self._stride = 1
        self._pending: list[NDArray[np.float64]] = []

    def add(self, row: NDArray[np.float64]) -> None:
        self._pending.append(row)
        if len(self._pending) < self._stride:
            return
        if self._used == len(self._rows):
            self._used //= 2
            pairs = self._rows[: 2 * self._used].reshape(self._used, 2, -1)
            self._rows[: self._used] = _mean(pairs, axis=1)
            self._stride *= 2
            return
        self._rows[self._used] = _mean(np.array(self._pending), axis=0)
        self._used += 1
        self._pending.clear()

    def rows(self) -> NDArray[np.float64]:
        done = self._rows[: self._used]
        if not self._pending:
            return done.copy()
        return np.vstack([done, _mean(np.array(self._pending), axis=0)])


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what was measured; NaN where nothing was."""
    measured = ~np.isnan(values)
    count = measured.sum(axis=axis)
    total = np.where(measured, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class _Reservoir:
    """A uniform choice of rows in a fixed space (Vitter's algorithm R)."""

    def __init__(self, columns: int, size: int = RESERVOIR) -> None:
        self._rows = np.empty((size, columns))
        self._random = np.random.default_rng(0)
        self.seen = 0

    def add(self, row: NDArray[np.float64]) -> None:
        at = self.seen
        if at >= len(self._rows):
            at = int(self._random.integers(self.seen + 1))
        if at < len(self._rows):
            self._rows[at] = row
        self.seen += 1

    def rows(self) -> NDArray[np.float64]:
        return self._rows[: min(self.seen, len(self._rows))]


class _ProcessTree:
    """CPU share and resident memory of this process and all its descendants."""

    def __init__(self) -> None:
        self._processes = {os.getpid(): psutil.Process()}
        self._looked = -math.inf
        self.rss = 0

    def sample(self) -> float:
        """CPU percent since the last call; sets `rss`, in bytes."""
        if time.perf_counter() - self._looked > CHILDREN_EVERY:
            for child in self._processes[os.getpid()].children(recursive=True):
                self._processes.setdefault(child.pid, child)
            self._looked = time.perf_counter()
        cpu, rss = 0.0, 0
        for pid, process in list(self._processes.items()):
            try:
                with process.oneshot():
                    cpu += process.cpu_percent(None)
                    rss += process.memory_info().rss
            except psutil.Error:  # it ended, which is no fault of the run
                del self._processes[pid]
        self.rss = rss
        return cpu


class _Gpu:
    """One device through NVML; each quantity is asked for by itself, so one may be missing."""

    def __init__(self, nvml: Any, index: int, handle: Any) -> None:
        self.index = index
        self.error: str | None = None
        self._nvml = nvml
        self._handle = handle
        self._reasons: Counter[str] = Counter()
        self._asked = 0
        self.name = self._ask(lambda: _text(nvml.nvmlDeviceGetName(handle)))
        self.memory_total = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total)

    def sample(self) -> list[float | None]:
        """One value a quantity, in the order of GPU_QUANTITIES, in %, bytes, W, MHz."""
        nvml, handle = self._nvml, self._handle
        mask = self._ask(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        if mask is not None:
            self._asked += 1
            self._reasons.update(throttle_names(int(mask)))
        return [
            self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used),
            self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
            self._ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        ]

    def identity(self) -> dict[str, Any]:
        return {"index": self.index, "name": self.name, "memory_total": self.memory_total}

    def throttle(self) -> dict[str, float] | None:
        """Share of samples with each reason for lower clocks; None if NVML would not say."""
        if not self._asked:
            return None
        return {name: count / self._asked for name, count in sorted(self._reasons.items())}

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._nvml.NVMLError_NotSupported:
            return None
        except self._nvml.NVMLError as error:
            self.error = f"GPU {self.index}: {error}"
            return None

    def close(self) -> str | None:
        """Let go of NVML, which all devices share; gives what went wrong, if anything."""
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError as error:
            return f"NVML: {error}"
        return None


def open_gpus() -> tuple[list[_Gpu], str | None]:
    """Every device that this process may use, and what went wrong, if it is not mere absence."""
    try:
        import pynvml as nvml
    except ImportError:
        return [], None
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        chosen = visible(uuids, os.environ.get("CUDA_VISIBLE_DEVICES"))
        if not chosen:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        absent = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        return [], None if error.args[0] in absent else f"NVML: {error}"
    return [_Gpu(nvml, i, handles[i]) for i in chosen], None


def visible(uuids: Sequence[str], setting: str | None) -> list[int]:
    """Which devices CUDA_VISIBLE_DEVICES leaves: by index or start of UUID, to the first unknown.

    NVML itself shows every device of the machine, also those that other people's jobs run on.
    """
    if setting is None:
        return list(range(len(uuids)))
    chosen: list[int] = []
    for entry in (e.strip() for e in setting.split(",")):
        if entry.isdigit() and int(entry) < len(uuids):
            chosen.append(int(entry))
        elif matches := [i for i, u in enumerate(uuids) if entry and u.startswith(entry)]:
            chosen.append(matches[0])
        else:
            break
    return list(dict.fromkeys(chosen))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
