"""Podium: benchmarks for speech and language systems."""
