"""The blocks of a page as HTML: Markdown by its library, wiring drawn, equations as MathML.

Raw HTML in a text stays text, and a link that would lead to a file beside the page is only its words: whatever a scenario
is called, and wherever the page lies, nothing of it is run or looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from backfire.formatting import display_name
from backfire.formulas import as_mathml, parse, sign, word
from backfire.model import Network
from backfire.reports.markdown import Block, EquationLines, Wiring
from backfire.reports.web.wiring import wiring_in_words, wiring_svg

_FAR: Final = re.compile(r"https?://|#")


def as_html(blocks: Iterable[Block]) -> str:
    """Blocks as HTML, one below the other."""
    words = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    return "\n".join(_written(block, words) for block in blocks)


def _written(block: Block, markdown: MarkdownIt) -> str:
    match block:
        case Wiring(network):
            items = "".join(f"<li>{escape(text)}</li>" for text in wiring_in_words(network))
            words = f"<details><summary>The same in words</summary><ul>{items}</ul></details>"
            return f"{scrolled(wiring_svg(network), 'the wiring of the model')}\n{words}"
        case EquationLines():
            rows = "".join(f"<tr><td>{line}</td></tr>" for line in _equations(block))
            table = f'<table class="equations"><tbody>{rows}</tbody></table>'
            return f"<p>{escape(block.head)}</p>\n{scrolled(table, block.head.rstrip(':').lower())}"
        case str():
            return str(markdown.render(block))
    raise AssertionError(block)


def scrolled(content: str, name: str) -> str:
    """Content that may be wider than the page, in a region that a keyboard can scroll."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(name)}">{content}</div>'


def anchor(heading: str) -> str:
    """The id of a heading, as GitHub makes it."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


class _Renderer(RendererHTML):
    """HTML with ids on headings, tables that scroll, and no link to a file."""

    tables = 0

    def table_open(self, *_: Any) -> str:
        """A region with a name of its own; the rules of the library are found by their names."""
        self.tables += 1
        return f'<div class="wide" role="region" tabindex="0" aria-label="table {self.tables}"><table>'

    def table_close(self, *_: Any) -> str:
        """Ends what ``table_open`` begins."""
        return "</table></div>"

    def fence(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        """Lines as they stand, which a keyboard can scroll."""
        return f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'

    def heading_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        """With the id that links within the page use."""
        return f'<{tokens[index].tag} id="{escape(anchor(tokens[index + 1].content))}">'

    def image(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        """The words of a picture that stands in a file."""
        return f"<em>{escape(tokens[index].content)}</em>"

    def link_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        """A link within the page or to the web; of any other only the words are left."""
        target = str(tokens[index].attrGet("href") or "")
        return f'<a href="{escape(target)}" rel="noreferrer">' if _FAR.match(target) else "<span>"

    def link_close(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        """Ends what ``link_open`` begins; links have no links inside."""
        opened = next(item for item in reversed(tokens[:index]) if item.type == "link_open")
        return "</a>" if _FAR.match(str(opened.attrGet("href") or "")) else "</span>"


def _equations(block: EquationLines) -> Iterable[str]:
    network = block.network
    if block.kind == "balances":
        for state, terms in network.equations.items():
            rate = f"<mfrac><mrow><mo>d</mo>{word(display_name(state))}</mrow><mrow><mo>d</mo><mi>t</mi></mrow></mfrac>"
            signed = [f"{sign('−' if factor < 0 else '+') if factor < 0 or place else ''}{word(display_name(name))}"
                      for place, (factor, name) in enumerate(terms)]  # fmt: skip
            yield _math(f"{rate}<mo>=</mo>{''.join(signed) or '<mn>0</mn>'}")
        return
    rates = {item.name: item.rate for item in network.processes}
    formulas = rates if block.kind == "rates" else {item.name: item.formula for item in network.definitions}
    for name, formula in formulas.items():
        yield _line(network, name, formula)


def _line(network: Network, name: str, formula: str) -> str:
    right = as_mathml(parse(formula), display_name)
    influences = network.acting_on(name)
    if influences:
        factors = "".join(f"<mo>×</mo><mrow><mo>[</mo>{word(item.name)}<mo>]</mo></mrow>" for item in influences)
        right = f"<mrow><mo>(</mo>{right}<mo>)</mo></mrow>{factors}"
    return _math(f"{word(display_name(name))}<mo>=</mo>{right}")


def _math(content: str) -> str:
    return f'<math displaystyle="true">{content}</math>'
