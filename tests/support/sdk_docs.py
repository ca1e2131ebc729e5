"""The part of docs/sdk.md that is generated: `python -m tests.support.sdk_docs` writes it anew."""

from pathlib import Path

from agentgauge.settings import describe

PAGE = Path(__file__).parents[2] / "docs" / "sdk.md"
MARKER = "<!-- From here on generated: python -m tests.support.sdk_docs -->\n"


def generated() -> str:
    """The table of settings."""
    rows = ["| argument | environment | default | allowed | what it does |", "|---|---|---|---|---|"]
    for setting in describe():
        variables = ", ".join(f"`{variable}`" for variable in setting.environment)
        rows.append(
            f"| `{setting.name}` | {variables} | `{setting.default!r}` | {setting.allowed} | {setting.about} |"
        )
    return "\n".join(rows) + "\n"


def written() -> str:
    """What stands in the page."""
    return PAGE.read_text().partition(MARKER)[2].lstrip("\n")


def write() -> None:
    """Replace the generated part."""
    by_hand = PAGE.read_text().partition(MARKER)[0]
    PAGE.write_text(f"{by_hand}{MARKER}\n{generated()}")


if __name__ == "__main__":
    write()
