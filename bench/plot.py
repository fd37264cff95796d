"""A picture of a run's profile: utilisation, memory and power over time, and where time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError
from .timing import STAGES

CPU_COLOUR, SYSTEM_COLOUR = "#1f5fa8", "#a9bdd3"
GPU_COLOURS = ("#2f8f4e", "#d07a1c", "#8355a8", "#b8324a", "#12909a", "#7a6a20")
STAGE_COLOURS = ("#d9a441", "#7aa95c", "#1f5fa8", "#a05c8f")
GIB = 2**30


def plot_profile(profile: Mapping[str, Any], out: Path) -> None:
    """Draw a profile as PNG (or whatever the suffix of `out` says that matplotlib can write).

    `profile` is what `profile.json` holds:
    `stages`: seconds of `decode`, `features`, `model`, `detokenise`, None where not measured;
    `timeline`: equally long columns, `Sampler.timeline()`; `utilisation`: `Sampler.summary()`.
    What was not measured has no curve and no panel. Raises UsageError without matplotlib, or where
    `out` cannot be written.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError("plotting needs matplotlib: pip install 'podium[plot]'") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    timeline = profile["timeline"]
    panels = [
        (title, limit, measured)
        for title, limit, curves in _panels(timeline, profile["utilisation"])
        if (measured := [c for c in curves if any(v is not None for v in c[1])])
    ]
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False}):
        figure = Figure(figsize=(9, 1.1 + 1.9 * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        heights = [*[1.0] * len(panels), 0.42]
        axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axis, (title, limit, curves) in zip(axes, panels, strict=False):
            _draw_panel(axis, title, limit, timeline["time"], curves)
            axis.sharex(axes[0])
            axis.tick_params(labelbottom=False)
        if panels:
            axes[len(panels) - 1].tick_params(labelbottom=True)
            axes[len(panels) - 1].set_xlabel("seconds since the run began")
        _draw_stages(axes[-1], profile["stages"])
        try:
            figure.savefig(out, dpi=130, format=out.suffix.removeprefix(".") or "png")
        except (OSError, ValueError) as error:
            raise UsageError(f"{out}: cannot write the plot ({error})") from error


Curve = tuple[str, Sequence[float | None], str]


def _panels(
    timeline: Mapping[str, Sequence[float | None]], utilisation: Mapping[str, Any]
) -> list[tuple[str, float | None, list[Curve]]]:
    """Title, upper limit and curves (label, values, colour) of each panel over time."""
    devices = utilisation.get("devices") or []

    def gpu(quantity: str, unit: float = 1.0) -> list[Curve]:
        curves = []
        for i, device in enumerate(devices):
            label = f"GPU {device['index']}" + (f" {device['name']}" if device["name"] else "")
            column = timeline.get(f"gpu{device['index']}_{quantity}", [])
            colour = GPU_COLOURS[i % len(GPU_COLOURS)]
            curves.append((label, _scaled(column, unit), colour))
        return curves

    cpu: list[Curve] = [
        ("whole machine (100 = all cores)", timeline["system_cpu"], SYSTEM_COLOUR),
        ("this run (100 = one core)", timeline["cpu"], CPU_COLOUR),
    ]
    return [
        ("CPU, %", None, cpu),
        ("CPU memory, GiB", None, [("this run", _scaled(timeline["rss"], GIB), CPU_COLOUR)]),
        ("GPU, %", 100.0, gpu("utilisation")),
        ("GPU memory, GiB", None, gpu("memory", GIB)),
        ("GPU power, W", None, gpu("power")),
        ("GPU clock, MHz", None, gpu("clock")),
    ]


def _scaled(column: Sequence[float | None], unit: float) -> list[float | None]:
    return [None if v is None else v / unit for v in column]


def _draw_panel(
    axis: Any, title: str, limit: float | None, time: Sequence[float | None], curves: list[Curve]
) -> None:
    """Curves over time; a gap where nothing was measured."""
    for label, values, colour in curves:
        points = [float("nan") if v is None else v for v in values]
        axis.plot(time, points, color=colour, linewidth=1.2, label=label)
    axis.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axis.set_ylim(0, 1.08 * (limit or max(v for c in curves for v in c[1] if v is not None) or 1))
    axis.margins(x=0)
    axis.spines["right"].set_visible(False)
    axis.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axis.set_axisbelow(True)
    if len(curves) > 1 or curves[0][0].startswith("GPU"):
        # Above the panel, where no curve can run through it.
        axis.legend(
            loc="lower right",
            bbox_to_anchor=(1, 0.99),
            ncols=min(4, len(curves)),
            frameon=False,
            fontsize=8,
            borderaxespad=0,
        )


def _draw_stages(axis: Any, stages: Mapping[str, float | None]) -> None:
    """One bar, cut by the share of time of each measured stage; the legend gives the seconds."""
    total = sum(v or 0.0 for v in stages.values())
    left = 0.0
    for name, colour in zip(STAGES, STAGE_COLOURS, strict=True):
        seconds = stages.get(name)
        if seconds is None:
            continue
        share = 100 * seconds / total if total else 0.0
        axis.barh(0, share, left=left, color=colour, label=f"{name}  {seconds:.3g} s")
        if share >= 6:
            axis.text(
                left + share / 2, 0, f"{share:.0f} %", ha="center", va="center", color="white"
            )
        left += share
    missing = [name for name in STAGES if stages.get(name) is None]
    note = f"   (not measured: {', '.join(missing)})" if missing else ""
    axis.set_title(f"Time by stage{note}", loc="left", fontsize=9, fontweight="bold")
    axis.set_xlim(0, 100)
    axis.set_axis_off()
    if left:
        axis.legend(
            loc="upper left", bbox_to_anchor=(0, 0.02), ncols=4, frameon=False, borderaxespad=0
        )
