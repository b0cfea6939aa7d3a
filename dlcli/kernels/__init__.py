"""Numba kernels: plain arrays in, the caller's arrays out. They know no layer."""
