"""Score files that any program wrote: no model, no task."""

COMMANDS = {
    "wer": "word error rate of transcripts, with CER beside it",
}
