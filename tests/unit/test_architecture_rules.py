"""Who may import whom: the contracts in pyproject.toml hold, and each of them can be broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_SOURCE_ROOTS = ("schemas", "producer", "processors", "sinks", "cli")
_BROKEN = {
    "schemas import nothing of ours": ("schemas/agentgauge_schemas/money.py", "import agentgauge"),
    "the SDK imports schemas only": ("producer/agentgauge/__init__.py", "import agentgauge_sinks"),
    "processors import schemas only": ("processors/agentgauge_processors/__init__.py", "import agentgauge"),
    "sinks import schemas and the pure parts of processors": (
        "sinks/agentgauge_sinks/contract.py",
        "import agentgauge_processors.engine.kafka",
    ),
    "stages are pure: no I/O, no clock, no engine": (
        "processors/agentgauge_processors/reduce/__init__.py",
        "import time",
    ),
    "only engine.kafka knows Faust": ("processors/agentgauge_processors/engine/contract.py", "import faust"),
}
"""Contract -> a file and the import that breaks it there."""


def _lint_imports(folder: Path) -> str:
    """What import-linter says about the packages in `folder`."""
    path = os.pathsep.join(str(folder / root) for root in _SOURCE_ROOTS)
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},  # ahead of the installed packages
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_nobody_imports_what_it_must_not() -> None:
    verdict = _lint_imports(_REPOSITORY)
    assert f"Contracts: {len(_BROKEN)} kept, 0 broken." in verdict, verdict


def test_every_contract_can_be_broken(tmp_path: Path) -> None:
    for root in _SOURCE_ROOTS:
        shutil.copytree(
            _REPOSITORY / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__", "*.zip")
        )
    shutil.copy(_REPOSITORY / "pyproject.toml", tmp_path)
    for file, statement in _BROKEN.values():
        path = tmp_path / file
        path.write_text(f"{path.read_text()}\n{statement}\n")
    verdict = _lint_imports(tmp_path)
    assert [name for name in _BROKEN if f"{name} BROKEN" not in verdict] == [], verdict
