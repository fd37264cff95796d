"""CPU figures on real processes; NVML through its real binding and a compiled stand-in library."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podium.bench import utilisation
from podium.bench.errors import UsageError
from podium.bench.plot import plot_profile
from podium.bench.utilisation import Sampler, describe, throttle_names, visible

NVML_C = r"""
/* Two devices. Device 0 answers everything, its figures stepping with each question; device 1
   knows no power (NVML_ERROR_NOT_SUPPORTED = 3) and is throttled from its third question on. */
#include <string.h>
#include <stdlib.h>
typedef struct { int id; int asked; int looked; } device;
static device devices[2] = {{0, 0, 0}, {1, 0, 0}};
static int opened = 0;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned int gpu, memory; } rates;
int nvmlInitWithFlags(unsigned int f) { if (getenv("NO_DRIVER")) return 9; opened++; return 0; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return --opened == 0 ? 0 : 999; }
int nvmlDeviceGetCount_v2(unsigned int *n) { *n = getenv("NO_DEVICES") ? 0 : 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int i, device **d) {
  if (i > 1) return 2; *d = &devices[i]; return 0; }
int nvmlDeviceGetUUID(device *d, char *s, unsigned int n) {
  strncpy(s, d->id ? "GPU-bbbb-1" : "GPU-aaaa-0", n); return 0; }
int nvmlDeviceGetName(device *d, char *s, unsigned int n) {
  strncpy(s, d->id ? "Stand-in B" : "Stand-in A", n); return 0; }
int nvmlDeviceGetMemoryInfo(device *d, memory *m) {
  m->total = 80ull << 30; m->used = (d->id ? 5ull : 7ull) << 30; m->free = m->total - m->used;
  return 0; }
int nvmlDeviceGetUtilizationRates(device *d, rates *r) {
  d->asked++; r->gpu = d->id ? 10 : (d->asked % 2 ? 90 : 100); r->memory = 1;
  if (!d->id && getenv("LOST") && d->asked > 2) return 15;
  return 0; }
int nvmlDeviceGetPowerUsage(device *d, unsigned int *mw) {
  if (d->id) return 3; *mw = 350500; return 0; }
int nvmlDeviceGetClockInfo(device *d, unsigned int kind, unsigned int *mhz) {
  if (kind != 1) return 2; *mhz = d->id ? 1200 : 1980; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device *d, unsigned long long *mask) {
  d->looked++; *mask = d->id && d->looked > 2 ? 0x44 : 0; return 0; }
"""

READ = """
import json, time
from podium.bench.utilisation import Sampler
for _ in range(2):  # opening and closing NVML again must do
    with Sampler(0.02) as sampler:
        time.sleep(0.3)
print(json.dumps({"summary": sampler.summary(), "timeline": sampler.timeline()}))
"""


@pytest.fixture(scope="module")
def nvml(tmp_path_factory):
    """Run a script in a process whose `libnvidia-ml.so.1` is the stand-in."""
    pytest.importorskip("pynvml")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the stand-in NVML with")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(NVML_C)
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, folder / "nvml.c"], check=True, timeout=60
    )

    def read(**environment: str) -> dict:
        env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        env |= {"LD_LIBRARY_PATH": str(folder), **environment}
        done = subprocess.run(
            [sys.executable, "-c", READ], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def test_every_nvml_figure(nvml):
    read = nvml()
    summary, timeline = read["summary"], read["timeline"]
    assert summary["sampler_error"] is None
    a, b = summary["devices"]
    assert (a["index"], a["name"], a["memory_total"]) == (0, "Stand-in A", 80 * 2**30)
    assert (b["index"], b["name"]) == (1, "Stand-in B")
    assert set(timeline["gpu0_utilisation"]) == {90.0, 100.0}
    assert (a["utilisation"]["p5"], a["utilisation"]["max"]) == (90.0, 100.0)
    assert b["utilisation"] == dict.fromkeys(["mean", "p5", "p50", "p95", "max"], 10.0)
    assert (a["memory"]["mean"], b["memory"]["max"]) == (7 * 2**30, 5 * 2**30)
    assert a["power"]["p50"] == 350.5
    assert (a["clock"]["p50"], b["clock"]["p50"]) == (1980, 1200)
    assert a["throttle"] == {}
    assert sorted(b["throttle"]) == ["hw_thermal_slowdown", "sw_power_cap"]
    assert 0 < b["throttle"]["sw_power_cap"] <= 1
    assert summary["gpu_memory"]["mean"] == 12 * 2**30
    assert summary["gpu_clock"]["mean"] == (1980 + 1200) / 2
    assert 50 <= summary["gpu_utilisation"]["mean"] <= 55
    assert len({len(column) for column in timeline.values()}) == 1


def test_an_unsupported_call_is_none_and_spoils_no_other(nvml):
    read = nvml()
    assert read["summary"]["devices"][1]["power"] is None
    assert set(read["timeline"]["gpu1_power"]) == {None}
    assert read["summary"]["gpu_power"]["mean"] == 350.5
    assert read["summary"]["sampler_error"] is None


def test_a_gpu_that_is_lost_is_told(nvml):
    read = nvml(LOST="1")
    assert "GPU 0" in read["summary"]["sampler_error"]
    assert read["timeline"]["gpu0_utilisation"][-1] is None
    assert read["timeline"]["gpu1_utilisation"][-1] == 10.0


@pytest.mark.parametrize(
    ("setting", "names"),
    [("1", ["Stand-in B"]), ("GPU-aaaa", ["Stand-in A"]), ("", []), ("0,-1,1", ["Stand-in A"])],
)
def test_only_visible_devices_are_read(nvml, setting, names):
    summary = nvml(CUDA_VISIBLE_DEVICES=setting)["summary"]
    assert [device["name"] for device in summary["devices"]] == names


@pytest.mark.parametrize("absent", ["NO_DRIVER", "NO_DEVICES"])
def test_no_gpu_is_null_and_never_zero(nvml, absent):
    summary = nvml(**{absent: "1"})["summary"]
    assert_no_gpu(summary)
    assert summary["cpu"] is not None


def assert_no_gpu(summary):
    assert summary["devices"] == []
    assert summary["sampler_error"] is None
    assert {summary[f"gpu_{q}"] for q in utilisation.GPU_QUANTITIES} == {None}


def test_a_machine_with_no_nvml_library_is_null_too():
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert_no_gpu(json.loads(done.stdout)["summary"])


# CPU


def test_children_count_towards_cpu_and_memory():
    script = "x = bytearray(80_000_000)\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-c", script])
    try:
        time.sleep(0.3)
        with Sampler(0.05) as sampler:
            time.sleep(0.8)
    finally:
        child.kill()
        child.wait()
    summary = sampler.summary()
    assert summary["cpu"]["mean"] > 2  # this process sleeps; the machine may be shared
    own = utilisation.psutil.Process().memory_info().rss
    assert summary["rss"]["max"] > own + 60_000_000
    assert summary["peak_rss"] >= summary["rss"]["max"]
    assert summary["sampler_error"] is None


def test_the_peak_is_seen_even_between_samples():
    code = """
        from podium.bench.utilisation import Sampler
        with Sampler(5) as sampler:
            x = b"x" * 300_000_000
            del x
        print(sampler.peak_rss)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert int(done.stdout) > 300_000_000


def test_a_block_shorter_than_the_interval_has_a_sample():
    with Sampler(10) as sampler:
        time.sleep(0.02)
    assert sampler.summary()["samples"] == 1
    assert len(sampler.timeline()["time"]) == 1


def test_the_thread_ends_when_the_block_raises():
    sampler = Sampler(0.01)
    with pytest.raises(KeyError), sampler:
        raise KeyError("x")
    assert not sampler._thread.is_alive()


def test_a_sampler_that_fails_is_recorded_and_harms_nothing(monkeypatch):
    calls = []

    def broken(*_):
        calls.append(1)
        if len(calls) > 3:
            raise OSError("no /proc")

    with Sampler(0.01) as sampler:
        monkeypatch.setattr(utilisation.psutil, "cpu_percent", broken)
        time.sleep(0.2)
    summary = sampler.summary()
    assert summary["sampler_error"] == "OSError: no /proc"
    assert summary["peak_rss"] > 0


# Bounded memory


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000), st.sampled_from([4, 16, 50]))
def test_a_timeline_is_bounded_keeps_order_and_the_mean(n, points):
    timeline = utilisation._Timeline(2, points)
    for i in range(n):
        timeline.add(np.array([i, math.nan if i % 3 else i], dtype=float))
    rows = timeline.rows()
    assert len(rows) <= points + 1
    assert (np.diff(rows[:, 0]) > 0).all()
    if n:
        assert rows[0, 0] <= n / 4 + 1
        assert rows[-1, 0] >= n * 0.5 - 1
    if n <= points:
        assert rows[:, 0].tolist() == list(range(n))


def test_quantiles_of_a_long_run_are_of_samples_and_not_of_averages():
    reservoir = utilisation._Reservoir(1)
    for i in range(40_000):
        reservoir.add(np.array([100.0 if i % 4 == 0 else 0.0]))
    summary = describe(reservoir.rows()[:, 0])
    assert summary["mean"] == pytest.approx(25, abs=3)
    assert (summary["p5"], summary["p95"]) == (0.0, 100.0)
    assert len(reservoir.rows()) == utilisation.RESERVOIR


def test_describe_equals_numpy_and_is_none_of_nothing():
    values = np.random.default_rng(0).normal(size=500)
    summary = describe([*values, math.nan])
    assert summary["p95"] == np.percentile(values, 95)
    assert summary["mean"] == pytest.approx(values.mean())
    assert describe([math.nan]) is None


def test_throttle_reasons_have_names():
    assert throttle_names(0) == []
    assert throttle_names(0x44) == ["sw_power_cap", "hw_thermal_slowdown"]
    assert throttle_names(0x8001) == ["gpu_idle", "0x8000"]


def test_throttle_names_are_those_of_the_binding():
    nvml = pytest.importorskip("pynvml")
    for constant, name in [
        (nvml.nvmlClocksThrottleReasonSwPowerCap, "sw_power_cap"),
        (nvml.nvmlClocksThrottleReasonHwSlowdown, "hw_slowdown"),
        (nvml.nvmlClocksThrottleReasonSwThermalSlowdown, "sw_thermal_slowdown"),
        (nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, "hw_power_brake_slowdown"),
    ]:
        assert throttle_names(constant) == [name]


def test_visible_without_a_setting_is_every_device():
    assert visible(["GPU-a", "GPU-b"], None) == [0, 1]
    assert visible(["GPU-a", "GPU-b"], "1,0,1") == [1, 0]
    assert visible(["GPU-a", "GPU-b"], "7,0") == []


# Plot

STAGES = {"decode": 1.5, "features": None, "model": 8.0, "detokenise": 0.1}


def test_a_plot_of_a_measured_block(tmp_path: Path):
    with Sampler(0.02) as sampler:
        sum(i * i for i in range(1_000_000))
    out = tmp_path / "out.png"
    profile = {
        "stages": STAGES,
        "timeline": sampler.timeline(),
        "utilisation": sampler.summary(),
    }
    plot_profile(json.loads(json.dumps(profile)), out)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert out.stat().st_size > 10_000


def test_a_plot_with_gpus_and_one_with_nothing(nvml, tmp_path: Path):
    read = nvml()
    profile = {
        "stages": STAGES,
        "timeline": read["timeline"],
        "utilisation": read["summary"],
    }
    plot_profile(profile, tmp_path / "gpu.png")
    empty = {name: [] for name in ("time", "cpu", "system_cpu", "rss")}
    nothing = {"stages": dict.fromkeys(STAGES), "timeline": empty, "utilisation": {"devices": []}}
    plot_profile(nothing, tmp_path / "nothing.png")
    assert (tmp_path / "gpu.png").stat().st_size > (tmp_path / "nothing.png").stat().st_size
    with pytest.raises(UsageError, match="cannot write"):
        plot_profile(profile, tmp_path / "no" / "folder.png")
    with pytest.raises(UsageError, match="cannot write"):
        plot_profile(profile, tmp_path / "plot.docx")


def test_no_matplotlib_is_said_in_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"podium\[plot\]"):
        plot_profile({}, tmp_path / "x.png")
