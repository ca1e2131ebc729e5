"""docs/cli.md says what the commands say of themselves."""

import re

import pytest
from tests.support.cli_docs import PAGE, generated, written

from agentgauge_cli import settings
from agentgauge_cli.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE
from agentgauge_cli.price_table import read_price_file
from agentgauge_processors.engine.errors import ExitCode


def test_the_commands_are_as_documented() -> None:
    assert written() == generated(), "run: python -m tests.support.cli_docs"


def test_every_exit_code_is_documented() -> None:
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert rows == {EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, EXIT_INTERRUPTED, *(code.value for code in ExitCode)}


def test_every_shared_environment_variable_is_documented() -> None:
    documented = set(re.findall(r"^\| `(AGENTGAUGE_\w+)` \|", PAGE.read_text(), re.MULTILINE))
    defined = {getattr(settings, name) for name in vars(settings) if name.endswith("_ENV")}
    assert documented == defined


def test_the_example_of_a_price_file_is_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path_factory.mktemp("docs") / "prices.yaml"
    file.write_text(example)
    assert len(read_price_file(file).overrides) == 2
