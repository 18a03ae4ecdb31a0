"""The compiled reader: the features of outcomes read off the rows of one member, thousands of times faster.

The rows are the accepted steps of the solver, with the value and the time derivative of everything watched. Between two
rows the course is the cubic through both values and slopes, of the logarithm where both are positive. What is found
(days, extrema, integrals) goes into a row of numbers, of which ``CompiledFeatures`` are made.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from backfire.outcomes import reading as at
from backfire.outcomes.backward import chance
from backfire.outcomes.rules import FLAT, NEARLY, ONE_CELL
from backfire.solvers.batch import READER, compiled, peek

_NEARLY, _FLAT, _ONE_CELL, _NADIR, _LEVEL = NEARLY, FLAT, ONE_CELL, float(at.NADIR), float(at.LEVEL)
# Thresholds instead of truths: of every truth that is written into a call the compiler would make a function of its own.
_ANYTHING = -math.inf
"""``floor``: below one cell, by more than rounding, are none, or everything is as it is."""
_LOGARITHMS, _PLAIN = 0.0, math.inf
"""``logs``: between values above it the logarithm is the cubic, or the value itself always is."""
_NODES = (0.1127016653792583, 0.5, 0.8872983346207417)
_WEIGHTS = (5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0)


@compiled()
def _cubic(share, step, low, low_slope, high, high_slope):  # type: ignore[no-untyped-def]
    """The cubic with these values and slopes at both ends of an interval of length ``step``."""
    rest = 1.0 - share
    bow = rest * (step * low_slope - (high - low)) - share * (step * high_slope - (high - low))
    return rest * low + share * high + share * rest * bow


@compiled()
def _counted(value, floor):  # type: ignore[no-untyped-def]
    return 0.0 if value < floor else value


@compiled()
def _by_logarithm(step, low, low_slope, high, high_slope, logs):  # type: ignore[no-untyped-def]
    """Whether the logarithm is the cubic: between positive values, unless its slopes have nothing to do with their ratio,
    as where cells arise from none. Slopes within three times the secant keep a cubic from overshooting."""
    if not (low > logs and high > logs):
        return False
    steep = max(abs(step * low_slope / low), abs(step * high_slope / high))
    return steep <= 4.0 + 3.0 * abs(math.log(high / low))


@compiled()
def _value(share, step, low, low_slope, high, high_slope, floor, logs):  # type: ignore[no-untyped-def]
    """The value between two rows; straight where cells that are counted are none at one end."""
    low, high = _counted(low, floor), _counted(high, floor)
    if _by_logarithm(step, low, low_slope, high, high_slope, logs):
        return math.exp(_cubic(share, step, math.log(low), low_slope / low, math.log(high), high_slope / high))
    if floor > 0.0 and (low == 0.0 or high == 0.0):
        return (1.0 - share) * low + share * high
    return _cubic(share, step, low, low_slope, high, high_slope)


@compiled()
def _turn(step, low, low_slope, high, high_slope):  # type: ignore[no-untyped-def]
    """Share of the interval at which the cubic turns from falling to rising; slopes have opposite signs."""
    secant = (high - low) / step
    # its slope is square · share² + straight · share + low_slope, and the root where that rises is looked for
    square, straight = 3.0 * (low_slope + high_slope - 2.0 * secant), 6.0 * secant - 4.0 * low_slope - 2.0 * high_slope
    root = math.sqrt(max(0.0, straight * straight - 4.0 * square * low_slope))
    return -2.0 * low_slope / (straight + root) if straight >= 0.0 else (root - straight) / (2.0 * square)


@compiled()
def _between(row, sign, base, days, values, slopes, start, end, floor, logs):  # type: ignore[no-untyped-def]
    """(day, value) of the smallest ``sign`` · value between rows ``row`` and ``row + 1`` within [start, end]."""
    day, step = days[row], days[row + 1] - days[row]
    low, high = _counted(values[base + row], floor), _counted(values[base + row + 1], floor)
    low_slope, high_slope = slopes[base + row], slopes[base + row + 1]
    where, least = math.nan, math.inf
    if start <= day <= end:
        where, least = day, sign * low
    for edge in (start, end):  # in order of time, for of equal values the first one counts
        if day < edge < days[row + 1]:
            here = sign * _value((edge - day) / step, step, low, low_slope, high, high_slope, floor, logs)
            if here < least:
                where, least = edge, here
    if start <= days[row + 1] <= end and sign * high < least:
        where, least = days[row + 1], sign * high
    if sign * low_slope < 0.0 < sign * high_slope and not (floor > 0.0 and (low == 0.0 or high == 0.0)):
        if _by_logarithm(step, low, low_slope, high, high_slope, logs):
            share = _turn(step, sign * math.log(low), sign * low_slope / low, sign * math.log(high), sign * high_slope / high)
        else:
            share = _turn(step, sign * low, sign * low_slope, sign * high, sign * high_slope)
        if start <= day + share * step <= end:
            here = sign * _value(share, step, low, low_slope, high, high_slope, floor, logs)
            if here < least:
                where, least = day + share * step, here
    return where, least


@compiled(inline="code")
def _gentle(step, low, low_slope, high, high_slope):  # type: ignore[no-untyped-def]
    """Whether the cubic of a positive course and that of its logarithm have the same integral, to 1e-6 and better."""
    first, last = step * low_slope, step * high_slope
    calm = low > 0.0 and high > 0.0 and abs(first) < 0.1 * low and abs(last) < 0.1 * high
    return calm and abs(first * high - last * low) < 0.01 * low * high


@compiled()
def _jumps(row, rows, days):  # type: ignore[no-untyped-def]
    """True if an event lies between this row and the next, which then are neighbouring doubles."""
    return row + 1 >= rows or days[row + 1] - days[row] <= 3e-16 * days[row + 1]


@compiled()
def _window(rows, days, start, end):  # type: ignore[no-untyped-def]
    """(first row at or after ``start``, last row at or before ``end``); the first is larger if there is none between."""
    first, above = 0, rows
    while first < above:
        middle = (first + above) // 2
        if days[middle] >= start:
            above = middle
        else:
            first = middle + 1
    last, above = first - 1, rows
    while above - last > 1:
        middle = (last + above) // 2
        if days[middle] <= end:
            last = middle
        else:
            above = middle
    return first, last


@compiled(inline="code")
def _turns(row, sign, base, slopes):  # type: ignore[no-untyped-def]
    """True if ``sign`` · value falls at a row and rises at the next."""
    return sign * peek(slopes, base + row) < 0.0 < sign * peek(slopes, base + row + 1)


@compiled()
def _least(sign, column, rows, room, days, values, slopes, start, end, floor, logs):  # type: ignore[no-untyped-def]
    """(day, value) of the smallest ``sign`` · value in [start, end]; of pieces that agree within 1e-5 the first counts."""
    base, best = column * room, math.inf
    first, last = _window(rows, days, start, end)
    if not start <= end:
        return math.nan, math.nan
    # both ends of the search may lie between rows, even between the same two
    cut_first, cut_last = first > 0 and not _jumps(first - 1, rows, days), last >= 0 and not _jumps(last, rows, days)
    if cut_first:
        best = min(best, _between(first - 1, sign, base, days, values, slopes, start, end, floor, logs)[1])
    if cut_last:
        best = min(best, _between(last, sign, base, days, values, slopes, start, end, floor, logs)[1])
    for row in range(first, last + 1):
        level = sign * _counted(peek(values, base + row), floor)
        best = level if level < best else best
        if row < last and _turns(row, sign, base, slopes) and not _jumps(row, rows, days):
            best = min(best, _between(row, sign, base, days, values, slopes, start, end, floor, logs)[1])
    if not best < math.inf:
        return math.nan, math.nan
    where, least, reach = math.nan, math.inf, best + _NEARLY * abs(best)
    if cut_first:
        where, least = _between(first - 1, sign, base, days, values, slopes, start, end, floor, logs)
    for row in range(first, last + 1):
        level = sign * _counted(peek(values, base + row), floor)
        if level < least:
            where, least = days[row], level
        if least <= reach and _jumps(row, rows, days):
            return where, sign * least
        if row == last or (_turns(row, sign, base, slopes) and not _jumps(row, rows, days)):
            if row == last and not cut_last:
                continue
            here, level = _between(row, sign, base, days, values, slopes, start, end, floor, logs)
            if level < least:
                where, least = here, level
    return where, sign * least


@compiled()
def _rises(sign, level, column, rows, room, days, values, slopes, start, end, floor):  # type: ignore[no-untyped-def]
    """First day in [start, end] with ``sign`` · value of at least ``sign`` · ``level``; NaN if it never comes."""
    base, level = column * room, sign * level
    enough = level - 1e-13 * abs(level)
    if not start <= end or math.isnan(level):
        return math.nan
    for row in range(rows):
        if days[row] > end:
            break
        low = _counted(values[base + row], floor)
        if _jumps(row, rows, days):
            if days[row] >= start and sign * low >= enough:
                return days[row]
            continue
        if days[row + 1] < start:
            continue
        step = days[row + 1] - days[row]
        high, low_slope, high_slope = values[base + row + 1], slopes[base + row], slopes[base + row + 1]
        first = max(0.0, (start - days[row]) / step)
        here = low if first == 0.0 else _value(first, step, low, low_slope, high, high_slope, floor, _LOGARITHMS)
        if sign * here >= enough:
            return days[row] + first * step
        right = 1.0 if sign * _counted(high, floor) >= level else math.nan
        if math.isnan(right) and _turns(row, -sign, base, slopes):  # a peak between the rows
            where, peak = _between(row, -sign, base, days, values, slopes, start, end, floor, _LOGARITHMS)
            right = (where - days[row]) / step if -peak >= level else math.nan
        if not math.isnan(right):
            left = first
            for _ in range(52):
                middle = 0.5 * (left + right)
                if sign * _value(middle, step, low, low_slope, high, high_slope, floor, _LOGARITHMS) >= level:
                    right = middle
                else:
                    left = middle
            found = days[row] + right * step
            return found if found <= end else math.nan
    return math.nan


@compiled()
def _before(day, column, rows, room, days, values, slopes, floor):  # type: ignore[no-untyped-def]
    """The value at ``day``, before the events of that day; on the first day after them."""
    base, row = column * room, max(_window(rows, days, day, day)[0] - 1, 0)
    if days[row] == day or _jumps(row, rows, days):
        return _counted(values[base + row], floor)
    step = days[row + 1] - days[row]
    low, high, low_slope, high_slope = values[base + row], values[base + row + 1], slopes[base + row], slopes[base + row + 1]
    return _value((day - days[row]) / step, step, low, low_slope, high, high_slope, floor, _LOGARITHMS)


@compiled()
def _integral(column, rows, room, days, values, slopes, start, end, floor, logs):  # type: ignore[no-untyped-def]
    """Integral over [start, end]: three Gauss points per interval, exact for the cubic itself."""
    base, total = column * room, 0.0
    for row in range(rows - 1):
        if days[row + 1] <= start or days[row] >= end or _jumps(row, rows, days):
            continue
        step = days[row + 1] - days[row]
        low, high, low_slope, high_slope = values[base + row], values[base + row + 1], slopes[base + row], slopes[base + row + 1]
        first, last = max(0.0, (start - days[row]) / step), min(1.0, (end - days[row]) / step)
        whole = first == 0.0 and last == 1.0
        even = low >= floor and high >= floor
        if whole and (logs == _PLAIN or (even and _gentle(step, low, low_slope, high, high_slope))):
            total += step * (0.5 * (low + high) + step * (low_slope - high_slope) / 12.0)
        else:
            total += step * (last - first) * _mean(first, last, step, low, low_slope, high, high_slope, floor, logs)
    return total


@compiled()
def _mean(first, last, step, low, low_slope, high, high_slope, floor, logs):  # type: ignore[no-untyped-def]
    """Mean between two shares of an interval by three Gauss points; as ``_value``, with the logarithms taken once."""
    low, high, total = _counted(low, floor), _counted(high, floor), 0.0
    positive = _by_logarithm(step, low, low_slope, high, high_slope, logs)
    if positive:
        low_slope, high_slope = low_slope / low, high_slope / high
        low, high = math.log(low), math.log(high)
    for node in range(3):
        share = first + (last - first) * _NODES[node]
        if positive:
            total += _WEIGHTS[node] * math.exp(_cubic(share, step, low, low_slope, high, high_slope))
        elif floor > 0.0 and (low == 0.0 or high == 0.0):
            total += _WEIGHTS[node] * ((1.0 - share) * low + share * high)
        else:
            total += _WEIGHTS[node] * _cubic(share, step, low, low_slope, high, high_slope)
    return total


@compiled()
def _at_end(last, column, rows, room, days, values, slopes, floor):  # type: ignore[no-untyped-def]
    """The value at the last day that counts: on the last row after its events, within the rows where the host died."""
    if last >= days[rows - 1]:
        return _counted(values[column * room + rows - 1], floor)
    return _before(last, column, rows, room, days, values, slopes, floor)


@compiled()
def _burden(last, column, rows, room, days, values, slopes, watch, result):  # type: ignore[no-untyped-def]
    """Nadir, progression and regrowth of the burden, and the integral of it; what is not asked for is left out."""
    start, own, floor = watch[at.START], watch[at.OWN], watch[at.FLOOR]
    if watch[at.SHAPE] > 0.0:
        end = min(last, np.nextafter(watch[at.SURGERY], -np.inf))
        before = _before(own, column, rows, room, days, values, slopes, floor) if own <= last else math.nan
        day, nadir = math.nan, math.nan
        if own <= end:
            day, nadir = _least(1.0, column, rows, room, days, values, slopes, own, end, floor, _LOGARITHMS)
        since, baseline = day, nadir
        if watch[at.BASELINE] != _NADIR:
            since, baseline = own, before
        baseline = max(baseline, _ONE_CELL) if floor > 0.0 else baseline
        level = watch[at.PROGRESSION] * (1.0 if watch[at.BASELINE] == _LEVEL else baseline)
        progression = math.nan
        if nadir < before or nadir > 0.0:
            progression = _rises(1.0, level, column, rows, room, days, values, slopes, since, end, floor)
        result[0], result[1], result[2], result[3] = nadir, day, before, progression
        level = watch[at.REGROWTH] * level
        result[4] = _rises(1.0, level, column, rows, room, days, values, slopes, progression, end, floor)
    result[5] = _at_end(last, column, rows, room, days, values, slopes, floor)
    if watch[at.AREA] > 0.0:
        result[6] = _integral(column, rows, room, days, values, slopes, start, last, floor, _LOGARITHMS)


@compiled()
def _singles(last, rows, room, days, values, slopes, watch, result):  # type: ignore[no-untyped-def]
    """Everything in ``FOUND`` after the burden, but the survival."""
    start = watch[at.START]
    if watch[at.ACTIVE] >= 0.0:
        active = int(watch[at.ACTIVE])
        result[8] = _integral(active, rows, room, days, values, slopes, start, last, _ANYTHING, _LOGARITHMS)
    if watch[at.METASTASES] >= 0.0:
        result[7] = _at_end(last, int(watch[at.METASTASES]), rows, room, days, values, slopes, _ANYTHING)
    listed = at.HEAD
    for flow in range(3):
        total = 0.0
        for _ in range(int(watch[at.GROWTHS + flow])):
            total += _integral(int(watch[listed]), rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)
            listed += 1
        result[9 + flow] = total


@compiled()
def _summary(kind, column, level, last, rows, room, days, values, slopes, start):  # type: ignore[no-untyped-def]
    """Peak, lowest, final, mean or area of one column from ``start`` on, or the first day above or below a level."""
    if kind == 0:
        return _least(-1.0, column, rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)[1]
    if kind == 1:
        return _least(1.0, column, rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)[1]
    if kind >= 5:
        sign = 1.0 if kind == 5 else -1.0
        return _rises(sign, level, column, rows, room, days, values, slopes, start, last, _ANYTHING)
    if kind == 2:
        return _at_end(last, column, rows, room, days, values, slopes, _ANYTHING)
    area = _integral(column, rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)
    if kind == 4:
        return area
    return area / (last - start) if last > start else math.nan


@lru_cache(maxsize=1)
def reader() -> Any:
    """``_read`` as compiled code; seconds the first time on a machine."""
    return compiled(READER)(_read)


def _read(rows, room, days, values, slopes, watch, result):  # type: ignore[no-untyped-def]
    """Read everything the watch row asks for into the result row."""
    start, last = watch[at.START], days[rows - 1]
    if watch[at.HOST] >= 0.0:  # what comes after the death of the host is not looked at
        result[12] = _rises(1.0, 1.0, int(watch[at.HOST]), rows, room, days, values, slopes, 0.0, last, _ANYTHING)
        last = last if math.isnan(result[12]) else result[12]
    if watch[at.BURDEN] >= 0.0:
        _burden(last, int(watch[at.BURDEN]), rows, room, days, values, slopes, watch, result)
    _singles(last, rows, room, days, values, slopes, watch, result)
    listed, place = at.HEAD + int(watch[at.GROWTHS] + watch[at.KILLS] + watch[at.SEEDINGS]), 14
    for factor in range(int(watch[at.FACTORS])):
        column = int(watch[listed + factor])
        day, high = _least(-1.0, column, rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)
        low = _least(1.0, column, rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN)[1]
        result[place], result[place + 1] = high, day
        result[place + 2] = 1.0 if not high - low > _FLAT * abs(high) else 0.0
        place += 3
    listed += int(watch[at.FACTORS])
    for excess in range(int(watch[at.EXCESSES])):
        result[place] = _least(
            -1.0, int(watch[listed + excess]), rows, room, days, values, slopes, start, last, _ANYTHING, _PLAIN
        )[1]
        place += 1
    listed += int(watch[at.EXCESSES])
    for _ in range(int(watch[at.ASKED])):
        kind, column, level = int(watch[listed]), int(watch[listed + 1]), watch[listed + 2]
        result[place] = _summary(kind, column, level, last, rows, room, days, values, slopes, start)
        listed, place = listed + 3, place + 1
    courses = int(watch[at.COURSES])
    if watch[at.CELLS] >= 0.0:
        listed = int(watch[at.CELLS])
        if math.isnan(result[12]):  # who dies is not cured
            result[13] = chance(listed, rows, room, days, values, slopes, watch)
    listed = len(watch) - courses
    final = min(last, np.nextafter(watch[at.SURGERY], -np.inf))
    for course in range(courses):
        first = watch[listed + course]
        if first <= final and watch[at.BURDEN] >= 0.0:
            following = watch[listed + course + 1] if course + 1 < courses else math.nan
            end = final if math.isnan(following) else min(np.nextafter(following, -np.inf), final)
            column = int(watch[at.BURDEN])
            result[place] = _before(first, column, rows, room, days, values, slopes, watch[at.FLOOR])
            result[place + 1] = _least(1.0, column, rows, room, days, values, slopes, first, end, watch[at.FLOOR], _LOGARITHMS)[1]
        place += 2
