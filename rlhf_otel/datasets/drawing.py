"""A drawing of differences with their intervals, as SVG: one line each, and where no difference would be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from rlhf_otel.datasets.arms import RATIOS, Contrast

_WIDTH: Final = 860
_LEFT, _RIGHT = 360, 640
_LINE: Final = 26
_CLEAR, _OPEN = "#0a7", "#888"


def forest(contrasts: Sequence[Contrast]) -> str:
    """The drawing. To the right of the middle the first of two arms has more, to the left the second."""
    height = _LINE * (len(contrasts) + 2)
    body = "\n".join(line for place, each in enumerate(contrasts) for line in _row(each, _LINE * (place + 1.5)))
    middle = (_LEFT + _RIGHT) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label="Differences with their intervals">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<line x1="{middle}" y1="{_LINE / 2}" x2="{middle}" y2="{height - _LINE}" stroke="#bbb"/>\n{body}\n</svg>\n'
    )


def _row(contrast: Contrast, y: float) -> Iterator[str]:
    colour = _CLEAR if contrast.winner else _OPEN
    name = escape(f"{contrast.measure}: {contrast.one} against {contrast.other}")
    low, value, high = (_place(contrast, end) for end in (contrast.low, contrast.difference, contrast.high))
    yield f'<text x="10" y="{y + 4:.1f}">{name}</text>'
    yield f'<line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'
    yield f'<circle cx="{value:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>'
    verdict = f"{contrast.winner} is better" if contrast.winner else "open"
    yield f'<text x="{_RIGHT + 15}" y="{y + 4:.1f}" fill="{colour}">{escape(verdict)}</text>'


def _place(contrast: Contrast, value: float) -> float:
    """Where a value is: differences as they are, rates from the half, ratios from an eighth to eight times."""
    if contrast.measure in RATIOS:
        share = math.log(value) / math.log(8) if 0 < value < float("inf") else 1.0 if value else -1.0
    else:
        share = 2 * value - 1 if contrast.measure == "win_rate" else value
    return (_LEFT + _RIGHT) / 2 + min(1.0, max(-1.0, share)) * (_RIGHT - _LEFT) / 2
