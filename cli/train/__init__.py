"""Train a reference system, small, to a checkpoint that an adapter loads."""

COMMANDS = {
    "mt": "a compact encoder-decoder for translation, on a parallel file",
}
