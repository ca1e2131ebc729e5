"""The distribution: what is in the wheel, what it asks for, and that it works where it is installed."""

import email
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_REPOSITORY = Path(__file__).parents[2]
_PACKAGES = {
    "agentgauge_schemas": "schemas",
    "agentgauge": "producer",
    "agentgauge_processors": "processors",
    "agentgauge_sinks": "sinks",
    "agentgauge_cli": "cli",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--wheel-dir", str(folder), str(_REPOSITORY),
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def _run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_every_file_of_every_package_and_nothing_else(wheel: Path) -> None:
    expected = {
        path.relative_to(_REPOSITORY / root).as_posix()
        for package, root in _PACKAGES.items()
        for path in (_REPOSITORY / root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert {f"{package}/py.typed" for package in _PACKAGES} <= found
    assert "agentgauge_cli/demo_data/sessions.zip" in found


def test_metadata_says_what_users_and_indexes_look_for(metadata: Message) -> None:
    assert metadata["Name"] == "agentgauge"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {"async", "processors", "sinks", "cli", "all", "dev"}


def test_every_requirement_is_met_by_the_version_in_the_constraints(metadata: Message) -> None:
    lines = (_REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    for text in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        if requirement.name == "agentgauge":
            continue  # an extra that is made of others
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text}: constraints.txt has {version}"


def test_sdk_alone_asks_for_four_small_packages(metadata: Message) -> None:
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    assert {r.name for r in requirements if r.marker is None} == {"aiokafka", "cramjam", "msgspec", "orjson"}


def test_installed_wheel_imports_and_runs(wheel: Path, tmp_path: Path) -> None:
    _run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    fresh = tmp_path / "venv" / "bin" / "python"
    _run(
        sys.executable, "-m", "pip", "--python", str(fresh), "install", "--quiet", "--no-deps", "--no-index",
        str(wheel),
    )  # fmt: skip
    # The third parties are this environment's; `.pth` files, and so our checkout, do not count there.
    third_parties = sysconfig.get_path("purelib")
    where = _run(
        str(fresh),
        "-c",
        "import agentgauge, importlib.resources as r; print(agentgauge.__file__);"
        "print(len(r.files('agentgauge_cli.demo_data').joinpath('sessions.zip').read_bytes()))",
        PYTHONPATH=third_parties,
    )
    assert where.startswith(str(tmp_path))
    version = _run(str(fresh.with_name("agentgauge")), "--version", PYTHONPATH=third_parties)
    assert re.fullmatch(r"agentgauge \d+\.\d+\.\d+\n", version)
