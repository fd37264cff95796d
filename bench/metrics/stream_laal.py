"""StreamLAAL: long-form output, cut into the reference's sentences and scored on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .latency import Extent, Timeline


@dataclass(frozen=True, slots=True)
class Segment:
    """A reference sentence of a long recording: its text, its start and its length in time."""

    text: str
    start: float
    duration: float


def segment(output: Sequence[str], references: Sequence[Sequence[str]]) -> list[slice]:
    """Which units of a long output belong to which reference, by least edit distance.

    The cut of Matusov et al. 2005 (mWERSegmenter): the output is aligned to all references joined,
    and cut where these are. Units inserted at a boundary stay with the sentence before it.
    """
    from rapidfuzz.distance import Levenshtein

    joined = [unit for reference in references for unit in reference]
    upto = [0] * (len(joined) + 1)  # upto[r]: units of output aligned to the first r of the joined
    for edit in Levenshtein.opcodes(joined, list(output)):
        for r in range(edit.src_start, edit.src_end):
            within = min(r - edit.src_start + 1, edit.dest_end - edit.dest_start)
            upto[r + 1] = edit.dest_start + within
        if edit.tag == "insert":
            upto[edit.src_end] = edit.dest_end
    cuts, place = [0], 0
    for reference in references:
        place += len(reference)
        cuts.append(upto[place])
    cuts[-1] = len(output)
    return [slice(a, max(a, b)) for a, b in pairwise(cuts)]


def sentences(
    output: Sequence[str],
    timeline: Timeline,
    segments: Sequence[Segment],
    references: Sequence[Sequence[str]],
) -> tuple[list[Extent], list[Timeline]]:
    """A long output as sentences for the latency metrics: LAAL over these is StreamLAAL.

    Delays count from each sentence's start; a sentence that got no output lags by its whole length
    and stays in the mean. Source: Papi et al. 2024, ACL 2024 long 202, section 4.2.
    """
    extents, timelines = [], []
    for cut, part, reference in zip(segment(output, references), segments, references, strict=True):
        extents.append(Extent(part.duration, max(1, len(reference))))
        timelines.append(
            Timeline(
                [d - part.start for d in timeline.delays[cut]],
                [e - part.start for e in timeline.elapsed[cut]] if timeline.elapsed else (),
            )
        )
    return extents, timelines
