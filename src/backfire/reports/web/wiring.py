"""Who acts on whom, drawn: a network as SVG in columns from agents over what answers to the tumour.

The same arrows as the flowchart of the Markdown page. A column is how far a state is from the agents; within a column the
states stand where their neighbours are. Colours are those of the page, so that it is drawn for light and dark alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from backfire.formatting import display_name
from backfire.model import Network
from backfire.reports.diagram import Arrow, arrows, kind_of_state

WIDE, HIGH = 150.0, 36.0
"""A state."""
ACROSS, DOWN = 150.0, 40.0
"""Between columns, where labels stand, and between rows."""
_LETTER: Final = 6.3
_SAID: Final = {"-->": "adds to", "--x": "takes from", "==>": "becomes", "-.->": "influences"}
_LOOKS: Final = {"-->": "adds", "--x": "takes", "==>": "moves", "-.->": "acts"}
_SHARES: Final = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
"""Where along an arrow its words may stand, the best place first."""

Point = tuple[float, float]


@dataclass(frozen=True)
class _Curve:
    """Cubics, each from where the one before ends."""

    pieces: tuple[tuple[Point, Point, Point, Point], ...]

    def places(self) -> Iterator[Point]:
        """Where its words may stand, the best place first: along the pieces between columns, which are every other one."""
        for share in _SHARES:
            for points in self.pieces[::2]:
                rest = 1 - share
                weights = (rest**3, 3 * rest**2 * share, 3 * rest * share**2, share**3)
                x, y = (sum(weight * point[axis] for weight, point in zip(weights, points, strict=True)) for axis in (0, 1))
                yield x, y

    @property
    def path(self) -> str:
        """As SVG writes it."""
        start = self.pieces[0][0]
        rest = "".join(f"C{' '.join(f'{x:.1f} {y:.1f}' for x, y in piece[1:])}" for piece in self.pieces)
        return f"M{start[0]:.1f} {start[1]:.1f}{rest}"


def wiring_in_words(network: Network) -> list[str]:
    """Every arrow as a sentence."""
    said = []
    for (kind, source, target), labels in arrows(network).items():
        through = f" ({', '.join(labels)})" if labels else ""
        said.append(f"{display_name(source)} {_SAID[kind]} {display_name(target)}{through}")
    return said


def wiring_svg(network: Network) -> str:
    """The drawing as one ``<svg>`` element, with title and description for those who hear the page."""
    drawn = arrows(network)
    columns = _columns(network, drawn)
    places = _places(columns)
    width = len(columns) * WIDE + (len(columns) - 1) * ACROSS + 120
    height = max(len(column) for column in columns) * (HIGH + DOWN) + 14
    curves = _curves(drawn, places, columns)
    lines = [
        f'<path class="{_LOOKS[kind]}" d="{curve.path}" marker-end="url(#{"crossed" if kind == "--x" else "arrow"})"/>'
        for (kind, *_), curve in curves.items()
    ]
    shapes = [_shape(kind_of_state(state), display_name(state.name), places[state.name]) for state in network.states]
    said = "; ".join(wiring_in_words(network))
    size = f"max-width:{width:.0f}px;min-width:{0.7 * width:.0f}px"
    return (
        f'<svg class="wiring" viewBox="0 0 {width:.0f} {height:.0f}" style="{size}" role="img" '
        f'aria-labelledby="wiring-title wiring-words"><title id="wiring-title">Who acts on whom in this model</title>'
        f'<desc id="wiring-words">{escape(said)}</desc><defs>{_MARKERS}</defs>'
        f"{''.join(lines)}{''.join(shapes)}{''.join(_labels(drawn, curves, places))}</svg>"
    )


_MARKERS: Final = (
    '<marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" '
    'orient="auto"><path d="M0 0L10 5L0 10z"/></marker>'
    '<marker id="crossed" viewBox="0 0 10 10" refX="6" refY="5" markerWidth="11" markerHeight="11" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="cross" d="M1 1L9 9M9 1L1 9"/></marker>'
)


def _columns(network: Network, drawn: Mapping[Arrow, list[str]]) -> list[list[str]]:
    """Agents first, then what answers by its distance from them, then the cells of the primary, then all other cells."""
    kinds = {state.name: kind_of_state(state) for state in network.states}
    distance = {name: 0 for name, kind in kinds.items() if kind == "agent"}
    for _ in kinds:
        for _, source, target in drawn:
            if kinds[target] == "factor" and kinds[source] != "cells" and source in distance:
                distance[target] = min(distance.get(target, 99), distance[source] + 1)
    factors = [name for name, kind in kinds.items() if kind == "factor"]
    deepest = max((distance.get(name, 1) for name in factors), default=0)
    columns = [[name for name, kind in kinds.items() if kind == "agent"]]
    columns += [[name for name in factors if distance.get(name, 1) == depth] for depth in range(1, deepest + 1)]
    for primary in (True, False):
        columns.append([state.name for state in network.states if state.is_cells and ("burden" in state.totals) is primary])
    columns = [column for column in columns if column]
    for _ in range(6):
        for place, column in enumerate(columns):
            columns[place] = _by_neighbours(column, columns, drawn)
    return columns


def _by_neighbours(column: list[str], columns: list[list[str]], drawn: Mapping[Arrow, list[str]]) -> list[str]:
    rows = {name: row - (len(other) - 1) / 2 for other in columns for row, name in enumerate(other)}

    def middle(name: str) -> float:
        ends = [rows[source if target == name else target] for _, source, target in drawn if name in (source, target)]
        return sum(ends) / len(ends) if ends else rows[name]

    return sorted(column, key=lambda name: (middle(name), rows[name]))


def _places(columns: list[list[str]]) -> dict[str, Point]:
    """The middle of every state; columns are centred."""
    most = max(len(column) for column in columns)
    return {
        name: (45 + WIDE / 2 + across * (WIDE + ACROSS), 7 + (HIGH + DOWN) * (down + 0.5 + (most - len(column)) / 2))
        for across, column in enumerate(columns)
        for down, name in enumerate(column)
    }


def _curves(drawn: Mapping[Arrow, list[str]], places: Mapping[str, Point], columns: list[list[str]]) -> dict[Arrow, _Curve]:
    """Where every arrow runs; those that share a side of a state are spread over it, by where they lead."""
    home = {name: place for place, column in enumerate(columns) for name in column}
    ports: dict[tuple[str, int], list[tuple[float, Arrow]]] = {}
    for arrow in drawn:
        _, source, target = arrow
        out = 1 if home[target] >= home[source] else -1
        ports.setdefault((source, out), []).append((places[target][1], arrow))
        into = 1 if home[target] == home[source] else -out
        ports.setdefault((target, into), []).append((places[source][1], arrow))
    at: dict[tuple[str, Arrow], Point] = {}
    for (name, side), ends in ports.items():
        x, y = places[name]
        for place, (_, arrow) in enumerate(sorted(ends)):
            at[name, arrow] = x + side * WIDE / 2, y + HIGH * 0.72 * ((place + 0.5) / len(ends) - 0.5)
    made = {}
    for arrow in drawn:
        _, source, target = arrow
        (a, b), (c, d) = at[source, arrow], at[target, arrow]
        if home[source] == home[target]:
            bulge = min(40 + 0.22 * abs(d - b), 110)
            made[arrow] = _Curve((((a, b), (a + bulge, b), (c + bulge, d), (c, d)),))
        else:
            made[arrow] = _through((a, b), (c, d), [columns[place] for place in _between(home[source], home[target])], places)
    return made


def _between(first: int, last: int) -> list[int]:
    return [*range(first + 1, last)] if first < last else [*range(first - 1, last, -1)]


def _through(start: Point, end: Point, columns: list[list[str]], places: Mapping[str, Point]) -> _Curve:
    """From a point to another, between the states of the columns on the way."""
    side = 1 if end[0] > start[0] else -1
    stops = [start]
    for column in columns:
        x = places[column[0]][0]
        straight = start[1] + (end[1] - start[1]) * (x - start[0]) / (end[0] - start[0])
        rows = [places[name][1] for name in column]
        gaps = [rows[0] - (HIGH + DOWN) / 2, *(row + (HIGH + DOWN) / 2 for row in rows)]
        y = min(gaps, key=lambda gap: abs(gap - straight))
        y += max(-10.0, min(10.0, straight - y))  # so that those through one gap do not lie on each other
        stops += [(x - side * WIDE / 2, y), (x + side * WIDE / 2, y)]
    pieces = []
    for (a, b), (c, d) in itertools.pairwise([*stops, end]):
        reach = (c - a) * 0.45
        pieces.append(((a, b), (a + reach, b), (c - reach, d), (c, d)))
    return _Curve(tuple(pieces))


def _shape(kind: str, words: str, place: Point) -> str:
    x, y = place
    left, top = x - WIDE / 2, y - HIGH / 2
    if kind == "agent":
        lean = 10
        right, foot = left + WIDE, top + HIGH
        corners = ((left + lean, top), (right, top), (right - lean, foot), (left, foot))
        outline = f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}"/>'
    else:
        rounded = HIGH / 2 if kind == "cells" else 7
        outline = f'<rect x="{left:.1f}" y="{top:.1f}" width="{WIDE}" height="{HIGH}" rx="{rounded}"/>'
    squeeze = f' textLength="{WIDE - 18}" lengthAdjust="spacingAndGlyphs"' if len(words) * 7.2 > WIDE - 18 else ""
    return f'<g class="{kind}">{outline}<text x="{x:.1f}" y="{y + 4.5:.1f}"{squeeze}>{escape(words)}</text></g>'


def _labels(drawn: Mapping[Arrow, list[str]], curves: Mapping[Arrow, _Curve], places: Mapping[str, Point]) -> list[str]:
    """The words at the arrows, each where it covers least of what stands already."""
    taken = [(x - WIDE / 2, y - HIGH / 2, x + WIDE / 2, y + HIGH / 2) for x, y in places.values()]
    made = []
    for arrow, labels in drawn.items():
        if not labels:
            continue
        half, tall = max(map(len, labels)) * _LETTER / 2, 6.5 * len(labels)
        boxes = [(x - half, y - tall, x + half, y + tall) for x, y in curves[arrow].places()]
        covers = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = boxes[covers.index(min(covers))]
        taken.append(best)
        for row, text in enumerate(labels):
            made.append(f'<text class="label" x="{best[0] + half:.1f}" y="{best[1] + 10 + 13 * row:.1f}">{escape(text)}</text>')
    return made


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0)
