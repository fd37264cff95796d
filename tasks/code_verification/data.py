"""Where sets come from: the package, the data folder, the hub."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...bench.errors import UsageError, unknown
from ...bench.hub import revision_of
from ...bench.ranking_sets import RankedProblem, read_set
from ...bench.task import Split
from ..local_files import files, source

MINI = Path(__file__).parent / "mini" / "he_r_mini.jsonl"
FOLDERS = ("code_verification", "ranking")
HUB = "nvidia/Scoring-Verifiers"
SETS = {
    "he-r": "HE-R: HumanEval, 164 problems, true scores by its own tests",
    "he-r+": "HE-R+: the same by HumanEval+'s tests",
    "mbpp-r": "MBPP-R: MBPP, 974 problems",
    "mbpp-r+": "MBPP-R+: MBPP+, 378 problems",
}


def list_sets(data: Path | None) -> dict[str, str]:
    """Every set that can be opened by name, and a line about it."""
    ours = {"mini": "mutants of 41 HumanEval solutions, true scores by running"}
    hub = {name: f"{HUB} · {about}" for name, about in SETS.items()}
    return ours | hub | {name: path.name for name, path in files(data, FOLDERS).items()}


def open_set(task: str, name: str, data: Path | None) -> Split:
    """A set by name; a file of the data folder comes before the hub. Raises UsageError."""
    local = {"mini": MINI} | files(data, FOLDERS)
    if name in local:
        return _split(name, local[name], source(local[name]))
    if name in SETS:
        revision = revision_of(HUB)
        return _split(name, hub_file(HUB, revision, name), {"hub": HUB, "revision": revision})
    raise unknown(f"split of {task}", name, {*local, *SETS})


def _split(name: str, path: Path, origin: dict[str, str]) -> Split:
    problems: list[RankedProblem] = read_set(path, name)
    seen: set[str] = set()
    for problem in problems:
        if problem.task_id in seen:
            raise UsageError(f'{path}: the problem "{problem.task_id}" is there twice')
        seen.add(problem.task_id)
    return Split(name, origin, partial(iter, problems), total=len(problems))


def hub_file(hub: str, revision: str, name: str) -> Path:
    """The file of a data set on the hub that is named after a split: HE-R+ may be `HE_R_plus`.

    `hub` may be a folder in the hub's layout. Raises UsageError where there is none, or several.
    """
    if Path(hub).is_dir():
        listed = [str(p.relative_to(hub)) for p in sorted(Path(hub).rglob("*.json*"))]
    else:
        listed = _list(hub, revision)
    named = [f for f in listed if f.endswith((".jsonl", ".jsonl.gz")) and _key(f) == _key(name)]
    if len(named) != 1:
        raise UsageError(f'{hub}: {len(named)} files named after "{name}" among {listed}')
    return Path(hub) / named[0] if Path(hub).is_dir() else _download(hub, revision, named[0])


def _key(name: str) -> str:
    stem = Path(name).name.lower().partition(".")[0].replace("plus", "+")
    return "".join(c for c in stem if c.isalnum() or c == "+")


def _list(hub: str, revision: str) -> list[str]:
    from huggingface_hub import HfApi

    try:
        return HfApi().list_repo_files(hub, repo_type="dataset", revision=revision)
    except (OSError, ValueError) as error:
        raise UsageError(f"{hub}: its files cannot be listed: {_line(error)}") from error


def _download(hub: str, revision: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(hub, name, repo_type="dataset", revision=revision))
    except (OSError, ValueError) as error:
        raise UsageError(f"{hub}: {name} cannot be had: {_line(error)}") from error


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
