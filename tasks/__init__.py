"""One folder a family of tasks."""
