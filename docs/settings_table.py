"""Prints the settings table of `docs/settings.md` from `rlhf_otel.config`, which is where it is kept."""

from rlhf_otel.config import SETTINGS


def table() -> str:
    """The table, as Markdown."""
    lines = ["| setting | variable | default | takes | what it does |", "|---|---|---|---|---|"]
    for setting in SETTINGS:
        default = setting.default
        shown = ", ".join(default) if isinstance(default, tuple) else "" if default is None else str(default).lower()
        if isinstance(default, str):
            shown = default
        lines.append(f"| `{setting.name}` | `{setting.env}` | {shown} | {setting.takes} | {setting.doc} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
