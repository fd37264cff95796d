"""The engine out of the way: an adapter that answers at once, 100,000 samples recorded and scored.

Beside it inspect-ai from PyPI, in an environment of its own, with a mock model that answers at once
and its own exact-match scorer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.heavy

SUPPORT = Path(__file__).parents[1] / "support"
OURS = """
import json, resource, sys, time
from pathlib import Path
from podium.bench.adapter import Adapter
from podium.bench.batching import BatchLimit
from podium.bench.runner import Settings, run
from podium.bench.text import Generation
from toys import Repeat, rows

class Nothing(Adapter):
    batched = True
    def generate(self, batch):
        return [Generation((p.text,)) for p in batch]

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
task = Repeat(rows(int(sys.argv[1])))
before, start = peak(), time.perf_counter()
done = run(task, Nothing(), task.split("all"), Path(sys.argv[2]),
           settings=Settings(batch=BatchLimit(samples=64)))
seconds = time.perf_counter() - start
assert done["scores"]["wer"]["value"] == 0 and done["outcomes"]["ok"] == int(sys.argv[1])
print(json.dumps({"seconds": seconds, "grown_mib": (peak() - before) / 1024}))
"""
THEIRS = """
import json, sys, time
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

n = int(sys.argv[1])
said = "Default output from mockllm/model"
samples = [Sample(id=i + 1, input="say it", target=said) for i in range(n)]
task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=match())
def answer():  # with its usage: the mock would count tokens over the network
    output = ModelOutput.from_content("mockllm/model", said)
    output.usage = ModelUsage(input_tokens=2, output_tokens=5, total_tokens=7)
    return output

model = get_model("mockllm/model", custom_outputs=[answer() for _ in range(n)])
start = time.perf_counter()
(log,) = eval(task, model=model, log_dir=sys.argv[2], display="none")
seconds = time.perf_counter() - start
assert log.status == "success", log.error
assert log.results.total_samples == n
print(json.dumps({"seconds": seconds}))
"""


def measure(python: str | Path, script: str, n: int, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-c", script, str(n), folder],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def report(benchmark: Any, found: dict[str, Any], n: int) -> None:
    benchmark.extra_info |= {"samples": n, "us_a_sample": 1e6 * found["seconds"] / n, **found}
    print(f"\n{benchmark.name}: {n} samples, {1e6 * found['seconds'] / n:.0f} µs a sample, {found}")


@pytest.mark.benchmark(group="engine, 100,000 samples")
def test_podium(benchmark: Any, tmp_path: Path) -> None:
    n = 100_000
    found = benchmark.pedantic(measure, (sys.executable, OURS, n, tmp_path / "run"), rounds=1)
    report(benchmark, found, n)


@pytest.mark.benchmark(group="engine, 100,000 samples")
def test_inspect_ai(benchmark: Any, tmp_path: Path) -> None:
    """On 1,000 samples: what it costs a sample is what compares."""
    home, n = tmp_path / "venv", 1_000
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "inspect-ai==0.3.285"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"inspect-ai cannot be installed: {done.stderr.splitlines()[-1]}")
    found = benchmark.pedantic(measure, (python, THEIRS, n, tmp_path / "logs"), rounds=1)
    report(benchmark, found, n)
