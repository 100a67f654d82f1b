"""How templates are found, and the words that they have for figures."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import jinja2


def environment() -> jinja2.Environment:
    """Finds the templates, and makes text of whatever is put into one."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("rlhf_otel.server"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(moment=_moment, as_json=_as_json, seconds=_seconds, short=_short, kilo=_kilo, urlencode=_in_url)
    return made


def _short(text: str, most: int = 280) -> str:
    """The start of `text`, on one line."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _in_url(text: str) -> str:
    """A part of a URL; Jinja's own falls over half a character."""
    return quote(text.encode("utf-8", "replace"), safe="")


def _moment(time_ns: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, timezone.utc).strftime(form)


def _as_json(value: Any) -> str:
    """A value for people to read; text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _kilo(value: int | None) -> str:
    """A count in the few characters that a list has for it."""
    if value is None:
        return ""
    return f"{value:,}" if value < 10_000 else f"{value / 1000:,.0f}k"
