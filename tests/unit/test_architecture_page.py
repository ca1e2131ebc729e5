"""The table of docs/architecture.md is the generated one."""

import re
from pathlib import Path

from agentgauge_schemas.keywords import markdown_table

PAGE = Path(__file__).parents[2] / "docs/architecture.md"


def test_the_table_of_keywords_is_the_generated_one() -> None:
    found = re.search(r"<!-- keywords:begin -->\n(.*?)<!-- keywords:end -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found[1].strip() == markdown_table().strip()
