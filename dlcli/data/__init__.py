"""Files → samples → batches: one source a file, one transform a file."""
