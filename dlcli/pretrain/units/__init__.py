"""Kinds of stochastic units in Boltzmann machines: one file each."""
