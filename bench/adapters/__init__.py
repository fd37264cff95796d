"""Ways to reach a model, one file a framework."""
