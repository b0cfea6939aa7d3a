"""Numba kernels: plain arrays in, the caller's arrays out. They know no layer."""

from dlcli.cache import prepare_kernel_cache

prepare_kernel_cache()
