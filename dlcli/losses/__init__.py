"""Losses: one file each. A loss is a sum over units and a mean over the samples of a mini-batch."""
