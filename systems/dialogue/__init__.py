"""Speaker taggers and emotion classifiers over recognised text."""
