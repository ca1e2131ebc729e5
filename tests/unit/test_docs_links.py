"""What the pages name must exist: a page that points nowhere is worse than none."""

import re
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]
_PAGES = sorted([*_REPOSITORY.glob("*.md"), *_REPOSITORY.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
_CODE = re.compile(r"`([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)`")
_ROOTS = {path.name for path in _REPOSITORY.iterdir()}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.relative_to(_REPOSITORY).as_posix())
def test_every_link_and_every_path_of_the_repository_exists(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / target for target in _LINK.findall(text)]
    paths = [_REPOSITORY / path for path in _CODE.findall(text) if path.partition("/")[0] in _ROOTS]
    assert [str(path) for path in (*links, *paths) if not path.exists()] == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "containers.md"} <= {page.name for page in _PAGES}
