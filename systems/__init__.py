"""Reference implementations of the systems, each an adapter made of adapters."""
