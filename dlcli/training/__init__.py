"""The loop, objectives, metrics, checkpoints, the run directory and signals."""
