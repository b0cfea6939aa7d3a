"""The same bits from other instruction sets, without the JIT, and from the cache of another process."""

import os
import subprocess
import sys

import llvmlite.binding

PROGRAM = """
import hashlib
from dlcli.kernels.vectors import MACHINE
from tests.kernels.test_products import all_products
digest = hashlib.sha256()
for part in all_products(2).values():
    for array in part:
        digest.update(array)
print(MACHINE.rows, digest.hexdigest())
"""
NO_COMPILER = """
from dlcli.kernels import machine_code
def refuse(function, *_):
    raise AssertionError(f"{function.__name__} is compiled")
machine_code._compile = refuse
"""
FALLBACK = """
import numpy as np
from dlcli.kernels.vectors import MACHINE
from tests.kernels.naive import agree
from tests.kernels.test_products import check_convolution, few_of, random
from tests.kernels.test_sparse import forward
check_convolution(np.float32, (2, 9, 8, 20), (3, 3), 18, (1, 1, 1, 1, 1, 1, 1), 0, 1)
x, w, b = random(1, np.float32, (20, 100), (100, 90), 90)
x = few_of(x, 0.2, 2)
agree(forward(x, w, b), np.maximum(x.astype(np.float64) @ w + b, 0))
assert not MACHINE.fused
print(MACHINE.rows, "sound")
"""
AVX2 = "+avx,+avx2,+fma,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+bmi,+bmi2,+popcnt,+f16c,+lzcnt,+movbe"


def run(program, **environment):
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split(maxsplit=1)


def fused_machines():
    """Settings that make Numba compile for each of this processor's instruction sets with fused multiply-add."""
    machines = {"host": {}, "no JIT": {"NUMBA_DISABLE_JIT": "1"}}
    if llvmlite.binding.get_host_cpu_features().get("avx2"):
        machines["AVX2"] = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2}
    return machines


def test_instruction_sets_agree_bit_for_bit():
    results = {name: run(PROGRAM, **environment) for name, environment in fused_machines().items()}
    assert len({digest for _, digest in results.values()}) == 1
    if "AVX2" in results:
        assert results["AVX2"][0] == "6"


def test_the_next_process_compiles_nothing():
    assert run(PROGRAM) == run(NO_COMPILER + PROGRAM)


def test_the_fallback_without_fused_multiply_add_is_sound():
    if llvmlite.binding.get_process_triple().startswith("x86_64"):
        assert run(FALLBACK, NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES="+sse,+sse2") == ["6", "sound\n"]
