"""Exponential, logarithm and kinks in plain arithmetic, so that loops over lanes become vector instructions.

Calls into the mathematical library stop the compiler from vectorising a loop. These functions use additions,
multiplications, one division and integer operations on the bits of a double; they are within 2 units in the last place
of the library's over the whole range of normal numbers. The coefficients of the logarithm are those of the classical
minimax series of fdlibm (e_log.c); the exponential is a Taylor polynomial of degree 13 on [-ln 2 / 2, ln 2 / 2].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from backfire.solvers.batch.jit import compiled

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_LOG2_E = 1.44269504088896338700
_ROUND = 6755399441055744.0
"""1.5 · 2^52: adding it leaves the nearest whole number in the last bits."""
_ROUND_BITS = 0x4338000000000000
_TWO_52 = 4503599627370496.0
_TWO_52_BITS = 0x4330000000000000
_MANTISSA = 0x000FFFFFFFFFFFFF
_HALF_BITS = 0x3FE6A09E667F3BCD
"""Bits of √2/2: what is subtracted so that the mantissa lies in [√2/2, √2)."""
_LARGEST = 709.782712893384
_INFINITE = float("inf")
_UNDEFINED = float("nan")
_WORD = ir.IntType(64)


def _of_bits(change: Callable[[Any, Any], Any]) -> Any:
    """An intrinsic double → double that works on the bits, with unsigned shifts, which every vector unit has."""

    @intrinsic
    def function(context: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:
            return builder.bitcast(change(builder, builder.bitcast(given[0], _WORD)), ir.DoubleType())

        return types.float64(types.float64), generate

    return function


def _whole_number(bits: int) -> Any:
    return ir.Constant(_WORD, bits)


_moved = 1023 << 52
_power_of_two = _of_bits(
    lambda builder, bits: builder.shl(builder.sub(bits, _whole_number(_ROUND_BITS - 1023)), _whole_number(52))
)
"""2^k from k + 1.5 · 2^52."""
_exponent = _of_bits(
    lambda builder, bits: builder.or_(
        builder.lshr(builder.add(bits, _whole_number(_moved - _HALF_BITS)), _whole_number(52)), _whole_number(_TWO_52_BITS)
    )
)
"""k + 1023 + 2^52 for m · 2^k with m in [√2/2, √2)."""
_mantissa = _of_bits(
    lambda builder, bits: builder.add(
        builder.and_(builder.sub(bits, _whole_number(_HALF_BITS)), _whole_number(_MANTISSA)), _whole_number(_HALF_BITS)
    )
)
"""m for m · 2^k with m in [√2/2, √2)."""


@compiled(inline="code")
def exponential(x: float) -> float:
    """e^x; 0 below -708 (where doubles lose digits), infinite above 709.78, NaN for NaN."""
    held = min(max(x, -708.0), _LARGEST)
    shifted = held * _LOG2_E + _ROUND
    whole = shifted - _ROUND
    r = (held - whole * _LN2_HIGH) - whole * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    # in two factors: the power of two of the largest results is no double by itself
    y = p * _power_of_two(shifted - 1.0) * 2.0
    y = 0.0 if x < -708.0 else y
    y = _INFINITE if x > _LARGEST else y
    return x if x != x else y


@compiled(inline="code")
def logarithm(x: float) -> float:
    """ln x; -infinite at 0 (and below the smallest normal number), NaN for x < 0."""
    k = _exponent(x) - (_TWO_52 + 1023.0)
    f = _mantissa(x) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = z * (
        6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    y = k * _LN2_HIGH - ((half - (s * (half + even + odd) + k * _LN2_LOW)) - f)
    y = -_INFINITE if x < 2.2250738585072014e-308 else y
    y = _UNDEFINED if x < 0.0 else y
    y = _INFINITE if x == _INFINITE else y
    return x if x != x else y


@compiled(inline="code")
def power(x: float, n: float) -> float:
    """x^n for x ≥ 0, NaN below; 1 for n = 0, whatever x."""
    y = exponential(n * logarithm(x))
    return 1.0 if n == 0.0 else y


@compiled(inline="code")
def square_root(x: float) -> float:
    """√x, NaN below 0."""
    return np.sqrt(x)  # type: ignore[no-any-return]


@compiled(inline="code")
def positive(x: float) -> float:
    """x where x > 0, else 0."""
    return x if x > 0.0 or x != x else 0.0


@compiled(inline="code")
def step_of(x: float) -> float:
    """1 where x > 0, else 0."""
    return 1.0 if x > 0.0 else 0.0


@compiled(inline="code")
def floored(x: float) -> float:
    """x, but at least 1e-300."""
    return x if x > 1e-300 or x != x else 1e-300


@compiled(inline="code")
def hill_of_one(x: float, half: float) -> float:
    """x/(half + x) where x > 0, else 0."""
    held = floored(x)
    return step_of(x) * held / (half + held)  # type: ignore[no-any-return]


@compiled(inline="code")
def hill(x: float, long: float, half: float, n: float, long_half: float) -> float:
    """xⁿ/(halfⁿ + xⁿ) where x > 0, else 0, from both logarithms as well; exactly ``hill_of_one`` for n = 1 and for x ≤ 0."""
    y = 1.0 / (exponential(n * (long_half - long)) + 1.0)
    return hill_of_one(x, half) if (n == 1.0) | (x <= 0.0) else y  # type: ignore[no-any-return]
