"""Cutting long audio for models that have no long form of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME = 0.02  # seconds over which loudness is taken


def cut_at_pauses(
    samples: NDArray[np.float32], rate: int, longest: float
) -> list[NDArray[np.float32]]:
    """Pieces of at most `longest` seconds that together are the whole audio.

    Each cut is at the quietest place of the second half of what would fit, so that words stay
    whole where the speaker pauses, and depends on nothing but the samples.
    """
    most = max(1, int(longest * rate))
    frame = max(1, int(FRAME * rate))
    pieces = []
    while len(samples) > most:
        window = samples[most // 2 : most]
        frames = window[: len(window) // frame * frame].reshape(-1, frame)
        quietest = int(np.argmin((frames * frames).sum(axis=1))) if len(frames) else 0
        cut = max(1, most // 2 + quietest * frame + frame // 2)
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]
