"""Numbers, bytes and names as people read them; nothing here decides anything."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Final

_RAISED: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SPELT: Final = {
    "il16": "IL-16", "il8": "IL-8", "ccl2": "CCL2", "wnt16b": "WNT16B", "annexin_a6": "annexin-A6",
    "jak2_stat5": "JAK2/STAT5", "pi3k": "PI3K", "jak2": "JAK2", "rigi": "RIG-I",
}  # fmt: skip


def number(value: float) -> str:
    """A number as short as it can be read: 3 significant digits, powers of ten from ten thousand on."""
    if not math.isfinite(value):
        return "–"
    if value != 0 and (abs(value) >= 1e4 or abs(value) < 1e-3):
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def exact(value: float) -> str:
    """A value to six digits, from ten thousand on and below a thousandth as powers of ten: 1e7, 2.5e-4."""
    if value and (abs(value) >= 1e4 or abs(value) < 1e-3):
        mantissa, _, exponent = f"{value:.5e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.6g}"


def short(value: float, digits: int = 2) -> str:
    """A number as people write it: 0.12, 87, 1.2·10⁸."""
    if not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        power = power_of_ten(int(exponent))
        return power if mantissa == "1" else f"{mantissa}·{power}"
    return f"{value:.{digits}g}" if abs(value) < 10 ** (digits + 1) and abs(value) < 100 else f"{value:.0f}"


def power_of_ten(exponent: int) -> str:
    """10⁸ for 8."""
    return "10" + str(exponent).translate(_RAISED)


def signed_sum(terms: Iterable[tuple[int, str]]) -> str:
    """A sum of named terms, each with its sign: ``growth - kill``, ``- elimination``; 0 if there is none."""
    return " ".join(f"{'+' if sign > 0 else '-'} {name}" for sign, name in terms).removeprefix("+ ") or "0"


def bytes_in_words(count: int) -> str:
    """A number of bytes as people say it, for example ``12.3 MB``."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"


def display_name(name: str) -> str:
    """A name as people read it: underscores become spaces, molecules keep their spelling."""
    for plain, spelt in _SPELT.items():
        name = re.sub(rf"(?<![a-z0-9]){plain}(?![a-z0-9])", spelt, name)
    return re.sub(r"\banti_", "anti-", name).replace("_", " ")
