"""Simultaneous translation: quality against latency."""
