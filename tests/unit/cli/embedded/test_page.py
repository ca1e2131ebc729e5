"""The status page: data of users is text, never markup."""

from agentgauge_cli.embedded.page import PageTable, render_page
from agentgauge_cli.rendering import Column

COLUMNS = [Column("agent"), Column("calls", number=True)]


def test_cells_titles_and_problems_are_escaped() -> None:
    attack = "<script>alert(1)</script>"
    page = render_page(
        attack, {attack: attack}, {attack: attack}, [PageTable(attack, COLUMNS, [[attack, "1"]])]
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7


def test_control_characters_are_shown() -> None:
    page = render_page("", {}, {}, [PageTable("t", COLUMNS, [["a\x1b[2Jb", "1"]])])
    assert "\x1b" not in page
    assert r"a\x1b[2Jb" in page


def test_a_table_without_rows_says_so() -> None:
    page = render_page("", {}, {}, [PageTable("Models", COLUMNS, [])])
    assert "Models" in page
    assert "nothing yet" in page
    assert "<table>" not in page


def test_numbers_are_aligned() -> None:
    page = render_page("", {}, {}, [PageTable("t", COLUMNS, [["planner", "12"]])])
    assert '<td class="number">12</td>' in page
    assert "<td>planner</td>" in page
