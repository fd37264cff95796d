"""Score files that any program wrote: no model, no task."""

COMMANDS = {
    "latency": "AL, LAAL, DAL, AP, ATD of a simultaneous system's log",
    "cpwer": "cpWER, tcpWER and word diarisation error of SegLST files",
    "wer": "word error rate of transcripts, with CER beside it",
}
