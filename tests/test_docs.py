"""The documentation's commands and programs run, in order, each page in a folder of its own.

A block is left out if a comment `<!-- not run: why -->` stands before it; `<!-- needs data -->`
runs it where the real data is at hand, `<!-- heavy -->` under the heavy tests only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<kind>sh|python)\n(?P<body>.*?)```", re.S)
WITH_BLOCKS = [p for p in PAGES if BLOCK.search(p.read_text())]


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [(m["mark"] or "", m["kind"], m["body"]) for m in BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_documentation_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run_page(page, tmp_path, request, heavy=False)


@pytest.mark.heavy
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_documentation_runs(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not any(mark == "heavy" for mark, _, _ in blocks(page)):
        pytest.skip("nothing heavy on this page")
    run_page(page, tmp_path, request, heavy=True)


def run_page(page: Path, folder: Path, request: pytest.FixtureRequest, heavy: bool) -> None:
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    python = ""
    for mark, kind, body in blocks(page):
        if mark.startswith("not run") or (mark == "heavy" and not heavy):
            continue
        if mark in ("needs data", "heavy"):
            environment["PODIUM_DATA"] = str(request.getfixturevalue("data_dir"))
        if kind == "python":
            python += body  # a page's programs go on from each other
            command = [sys.executable, "-c", python]
        else:
            commands = [c for c in body.splitlines() if not c.startswith("make ")]
            command = ["bash", "-euc", "\n".join(commands)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
