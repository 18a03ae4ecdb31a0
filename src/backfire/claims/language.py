"""The language of claims: statements over outcomes of arms, read safely.

    peak_wnt16b(monotherapy) > 10
    log_kill_4(monotherapy) < log_kill_3(monotherapy) < log_kill_2(monotherapy)
    metastatic_burden(monotherapy) > 1.5 * metastatic_burden(untreated)
    metastatic_burden(combination) = metastatic_burden(surgery_only) within 20 %
    log_kill_last(monotherapy) < log_kill_last(monotherapy with stroma.protects_kill off)
    final_burden(untreated with growth_rate * 0.5) < final_burden(untreated)
    peak(hibernating, combination) < peak(hibernating, monotherapy)
    final(hibernating / burden, monotherapy) > 0.9
    day_above(burden, 1e8, combination) > day_above(burden, 1e8, monotherapy)

A claim is one or more comparisons joined by ``and``; a comparison may be a chain. Sides are sums and products of
numbers, of outcomes of arms, and of ``peak``, ``lowest``, ``final``, ``mean`` and ``area`` of anything recorded or of a
ratio (from the start of treatment on), and of the first ``day_above`` or ``day_below`` a level of it. An arm may carry
changes: an influence ``off``, a value ``name = number``, or a factor ``name * number``, of a parameter or of a number of a
regimen (``mitoxantrone.amount``), in the unit that the scenario file gives it. Names are checked against a
scenario when the claim is evaluated, not here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from backfire.errors import FormulaError, echo
from backfire.outcomes import CROSSINGS, SUMMARIES

LONGEST = 1000
DEEPEST = 20
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)|(?P<sign><=|>=|[<>=+\-*/(),%]))"
)
_ORDERS: Final = ("<", "<=", ">", ">=", "=")


@dataclass(frozen=True, order=True)
class Change:
    """One change of the model behind an arm: ``how`` is ``"="`` (set to ``value``) or ``"*"`` (multiply by it)."""

    name: str
    how: str
    value: float


@dataclass(frozen=True)
class OutcomeRef:
    """An outcome of an arm, or one of ``SUMMARIES`` of what is recorded (``of``, with the level of a crossing: ``burden, 1e9``),
    possibly of a changed model."""

    outcome: str
    arm: str
    changes: tuple[Change, ...] = ()
    of: str = ""

    @property
    def column(self) -> str:
        """What tables of outcomes call it: ``nadir``, ``peak(hibernating)``."""
        return f"{self.outcome}({self.of})" if self.of else self.outcome

    def __str__(self) -> str:
        changes = ", ".join(
            f"{change.name} off" if change.how == "=" and change.value == 0 else f"{change.name} {change.how} {change.value:g}"
            for change in self.changes
        )
        recorded = f"{self.of}, " if self.of else ""
        return f"{self.outcome}({recorded}{self.arm}{' with ' + changes if changes else ''})"


@dataclass(frozen=True)
class Arithmetic:
    """Two terms joined by ``+ - * /``."""

    sign: str
    left: Term
    right: Term


Term = float | OutcomeRef | Arithmetic


@dataclass(frozen=True)
class Comparison:
    """``left order right``; ``tolerance`` is the share within which ``=`` holds."""

    left: Term
    order: str
    right: Term
    tolerance: float = 0.0

    def __str__(self) -> str:
        tolerance = f" within {100 * self.tolerance:g} %" if self.order == "=" else ""
        return f"{written(self.left)} {self.order} {written(self.right)}{tolerance}"


@dataclass(frozen=True)
class Claim:
    """Comparisons that must all hold; ``text`` is what was written."""

    text: str
    comparisons: tuple[Comparison, ...]

    def refs(self) -> tuple[OutcomeRef, ...]:
        """Every outcome the claim reads, once, in order."""
        found = [ref for item in self.comparisons for side in (item.left, item.right) for ref in refs_of(side)]
        return tuple(dict.fromkeys(found))

    def replaced(self, change: Callable[[OutcomeRef], OutcomeRef]) -> Claim:
        """The same claim over other outcomes: each is what ``change`` makes of it."""

        def term(given: Term) -> Term:
            if isinstance(given, Arithmetic):
                return Arithmetic(given.sign, term(given.left), term(given.right))
            return change(given) if isinstance(given, OutcomeRef) else given

        changed = [dataclasses.replace(item, left=term(item.left), right=term(item.right)) for item in self.comparisons]
        return Claim(self.text, tuple(changed))


def refs_of(term: Term) -> Iterator[OutcomeRef]:
    """The outcomes that a term reads."""
    if isinstance(term, OutcomeRef):
        yield term
    elif isinstance(term, Arithmetic):
        yield from refs_of(term.left)
        yield from refs_of(term.right)


def written(term: Term, inside: bool = False) -> str:
    """A term in the language of claims; ``inside`` another one sums and differences need brackets."""
    if isinstance(term, Arithmetic):
        text = f"{written(term.left, inside=term.sign in '*/')} {term.sign} {written(term.right, inside=term.sign != '+')}"
        return f"({text})" if inside else text
    return str(term) if isinstance(term, OutcomeRef) else f"{term:g}"


def parse_claim(text: str) -> Claim:
    """Read a claim; raises FormulaError that says where it cannot be read and what could stand there."""
    return _Parser(text).claim()


class _Parser:
    """Recursive descent, one method per level of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.position = 0
        self.depth = 0

    @property
    def next(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def fail(self, wanted: str) -> FormulaError:
        place = f"before `{echo(self.next)}`" if self.next else "at its end"
        return FormulaError(f"the claim `{echo(self.text)}` needs {wanted} {place}")

    def take(self, *wanted: str) -> str | None:
        """The next token if it is one of ``wanted``."""
        if self.next and self.next in wanted:
            self.position += 1
            return self.tokens[self.position - 1]
        return None

    def must(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise self.fail(f"`{wanted}`")

    def name(self, what: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_.]*", self.next) or self.next in ("and", "with", "off", "within"):
            raise self.fail(what)
        self.position += 1
        return self.tokens[self.position - 1]

    def number(self) -> float:
        sign = -1.0 if self.take("-") else 1.0
        if not re.match(r"\d", self.next):
            raise self.fail("a number")
        self.position += 1
        return sign * float(self.tokens[self.position - 1])

    def claim(self) -> Claim:
        comparisons = list(self.chain())
        while self.take("and"):
            comparisons += self.chain()
        if self.next:
            raise self.fail("`and` or nothing")
        return Claim(self.text, tuple(comparisons))

    def chain(self) -> Iterator[Comparison]:
        left = self.sum()
        order = self.take(*_ORDERS)
        if order is None:
            raise self.fail("one of < <= > >= =")
        while order is not None:
            right = self.sum()
            tolerance = 0.0
            if order == "=":
                if self.take("within") is None:
                    raise self.fail("`within` and a share, such as `within 5 %`,")
                tolerance = self.number() / 100
                self.must("%")
            if not [*refs_of(left), *refs_of(right)]:
                raise FormulaError(
                    f"the claim `{echo(self.text)}` compares numbers alone, which is so in every tumour or in none; "
                    f"one side must read an outcome, such as nadir(monotherapy)"
                )
            yield Comparison(left, order, right, tolerance)
            left, order = right, self.take(*_ORDERS)

    def sum(self) -> Term:
        term = self.product()
        while sign := self.take("+", "-"):
            term = Arithmetic(sign, term, self.product())
        return term

    def product(self) -> Term:
        term = self.factor()
        while sign := self.take("*", "/"):
            term = Arithmetic(sign, term, self.factor())
        return term

    def factor(self) -> Term:
        if self.take("("):
            self.depth += 1
            if self.depth > DEEPEST:
                raise FormulaError(f"the claim `{echo(self.text)}` is nested deeper than {DEEPEST} levels")
            term = self.sum()
            self.must(")")
            self.depth -= 1
            return term
        if self.next == "-" or re.match(r"\d", self.next):
            return self.number()
        return self.ref()

    def ref(self) -> OutcomeRef:
        outcome = self.name("an outcome such as nadir(monotherapy), or a number")
        self.must("(")
        of = ""
        if outcome in SUMMARIES:
            of = self.name("the name of something recorded, such as hibernating")
            if self.take("/"):
                of += f" / {self.name('the name of something recorded')}"
            self.must(",")
            if outcome in CROSSINGS:
                of += f", {repr(self.number()).removesuffix('.0')}"
                self.must(",")
        arm = self.name("the name of an arm")
        changes: list[Change] = []
        if self.take("with"):
            changes.append(self.change())
            while self.take(","):
                changes.append(self.change())
        self.must(")")
        return OutcomeRef(outcome, arm, tuple(sorted(changes)), of)

    def change(self) -> Change:
        name = self.name("the name of an influence or a parameter")
        if self.take("off"):
            return Change(name, "=", 0.0)
        how = self.take("=", "*")
        if how is None:
            raise self.fail("`off`, `= number` or `* number`")
        return Change(name, how, self.number())


def _tokens(text: str) -> Iterator[str]:
    if len(text) > LONGEST:
        raise FormulaError(f"a claim may have {LONGEST} characters, this one has {len(text)}")
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise FormulaError(f"the claim `{echo(text)}` has something unreadable at `{echo(stripped[position:].strip()[:20])}`")
        yield match.group().strip()
        position = match.end()
