"""Optimisers and the schedules of their hyperparameters."""
