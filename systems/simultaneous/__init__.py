"""Simultaneous policies: when to read, when to write, on top of any translation engine."""
