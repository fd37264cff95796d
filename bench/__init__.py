"""The engine: what is true of every task."""
