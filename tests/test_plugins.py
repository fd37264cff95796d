"""A third party's package: one task and one adapter, found through entry points and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "shouting"
version = "1.0"
[project.entry-points."podium.tasks"]
shout = "shouting:Shout"
[project.entry-points."podium.adapters"]
upper = "shouting:Upper"
[tool.setuptools]
py-modules = ["shouting"]
"""

MODULE = '''
"""Shouting, as a benchmark."""
from podium import Adapter, Sample, Split, Task
from podium.bench.adapter import Generates
from podium.bench.metrics.wer import WordErrorRate
from podium.bench.text import Generation, Prompt

class Shout(Task):
    """Say it in capitals."""
    name, needs = "shout", Generates
    metrics = (WordErrorRate("none"),)
    def split(self, name, data=None):
        return Split(name, {"id": "shouting"}, lambda: iter(["hello you", "fine day"]))
    def samples(self, split):
        for text in split.rows():
            yield Sample(text, Prompt(text), text.upper())

class Upper(Adapter):
    """Capitals, all but the last."""
    def generate(self, batch):
        return [Generation((p.text.upper()[:-1] + p.text[-1],)) for p in batch]
'''


def test_a_third_party_package_joins_by_entry_points(tmp_path: Path) -> None:
    source, home = tmp_path / "shouting", tmp_path / "venv"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "shouting.py").write_text(MODULE)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    site = next(home.glob("lib/python*/site-packages"))
    ours = [p for p in sys.path if p.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    # addsitedir, so that an editable installation of Podium is followed too
    lines = [f"import site; site.addsitedir({p!r})" for p in ours]
    (site / "ours.pth").write_text("\n".join(lines))
    python = home / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", source]
    subprocess.run(install, check=True, capture_output=True)

    def podium(*argv: str) -> str:
        command = [python, "-m", "podium", *argv, "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tasks = {row["name"]: row["about"] for row in json.loads(podium("list", "tasks"))}
    assert tasks["shout"] == "Say it in capitals."
    assert "open_asr" in tasks
    run = json.loads(podium("run", "shout", "--model", "upper"))
    assert run["scores"]["wer"]["sums"]["substitutions"] == 2
    assert run["outcomes"]["ok"] == 2
    assert (tmp_path / run["folder"] / "records.jsonl").exists()


def test_the_package_list_is_the_tree() -> None:
    root = Path(__file__).parents[1]
    said = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {"bench", "cli", "leaderboards", "systems", "tasks", "verifiers"}
    found = {"podium"}
    for folder, _, files in os.walk(root):
        parts = Path(folder).relative_to(root).parts
        if parts and parts[0] in rooms and "__init__.py" in files:
            found.add(".".join(("podium", *parts)))
    assert sorted(said) == sorted(found)
