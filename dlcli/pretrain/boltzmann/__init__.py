"""Boltzmann machines: restricted, stacked, deep, general; their energies, likelihoods and objectives."""
