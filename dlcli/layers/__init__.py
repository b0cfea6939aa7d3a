"""Layers: one file each, holding its options, shapes, parameters, forward and backward pass."""
