"""One small program for each framework that has no integration of its own: what `io.unit_of_work` does for it."""
