"""Schedules of a hyperparameter over steps or epochs: one file each."""
