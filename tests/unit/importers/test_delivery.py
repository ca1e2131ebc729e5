"""A publication that cannot be delivered says so in one sentence, with the cure."""

import pytest

from agentgauge_cli.errors import CliError
from agentgauge_cli.importers.delivery import publishing


def test_a_broker_that_does_not_answer_is_named_with_the_cure(unused_tcp_port: int) -> None:
    with (
        pytest.raises(CliError, match=rf"127\.0\.0\.1:{unused_tcp_port}\. Start one with 'agentgauge up'"),
        publishing(f"127.0.0.1:{unused_tcp_port}", "agentgauge"),
    ):
        pass
