"""One file a metric: per-sample sufficient statistics, and a score from their sum."""
