"""Make data sets from material at hand."""

COMMANDS = {
    "nbest": "N-best lists of audio, from any recogniser",
    "ocr": "degraded page images of a text, read by Tesseract",
}
