"""Settings: argument, else environment, else default; a wrong one is named with what is allowed."""

import inspect

import pytest

from agentgauge import Client, ConfigError
from agentgauge.settings import Settings, describe, is_configured, resolve, servers_of


def test_an_argument_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {"AGENTGAUGE_PROJECT": "from-environment", "AGENTGAUGE_AGENT": "planner"}
    settings = resolve({"project": "argument", "agent": None}, environment)
    assert (settings.project, settings.agent, settings.environment) == ("argument", "planner", "default")


def test_the_environment_is_parsed() -> None:
    settings = resolve(
        {},
        {
            "AGENTGAUGE_CAPTURE_INPUT": "off",
            "AGENTTRACE_DEBUG": "true",
            "AGENTGAUGE_FLUSH_INTERVAL": "0.5",
            "AGENTGAUGE_BATCH_SIZE": "10",
            "AGENTGAUGE_REDACT_KEYS": "password, api_key",
        },
    )
    assert (settings.capture_input, settings.debug, settings.batch_size) == (False, True, 10)
    assert settings.flush_range_s == (0.5, 0.5)
    assert settings.redact_keys == ("password", "api_key")


def test_by_default_small_blocks_may_wait_longer() -> None:
    assert resolve({}, {}).flush_range_s == (1.0, 5.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1001),
        ("batch_size", True),
        ("flush_interval", -1),
        ("flush_interval", float("nan")),
        ("retry_attempts", 11),
        ("timeout", 0),
        ("queue_bytes", 10),
        ("url", "kafka://nohost"),
        ("url", "ftp://host:1"),
        ("prefix", "a b"),
        ("project", "x" * 257),
        ("redact_keys", "password"),
        ("enabled", "yes"),
    ],
)
def test_a_wrong_argument_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name) as raised:
        resolve({name: value}, {})
    assert raised.value.name == name
    assert raised.value.value is value
    assert raised.value.allowed


@pytest.mark.parametrize(
    ("variable", "text"), [("AGENTGAUGE_DEBUG", "maybe"), ("AGENTGAUGE_BATCH_SIZE", "many")]
)
def test_a_wrong_variable_is_named(variable: str, text: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        resolve({}, {variable: text})


def test_only_constructors_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTGAUGE_BATCH_SIZE", "0")
    with pytest.raises(ConfigError, match="from 1 to 1000"):
        Client()


def test_where_nothing_is_enabled_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTGAUGE_BATCH_SIZE", "0")
    assert not Client(url="nonsense", enabled=False).enabled
    monkeypatch.setenv("AGENTGAUGE_ENABLED", "no")
    assert not Client(url="nonsense").enabled


def test_servers() -> None:
    assert servers_of(resolve({"url": "kafka://a:1,b.c:2/"}, {})) == ["a:1", "b.c:2"]
    with pytest.raises(ConfigError):
        servers_of(resolve({"url": "memory:"}, {}))


def test_every_setting_is_an_argument_of_the_client_and_described() -> None:
    arguments = set(inspect.signature(Client).parameters)
    assert set(Settings.__struct_fields__) <= arguments
    for setting in describe():
        assert setting.about
        assert setting.allowed
        assert f"AGENTGAUGE_{setting.name.upper()}" in setting.environment


def test_is_configured() -> None:
    assert not is_configured({})
    assert is_configured({"AGENTGAUGE_URL": "memory:"})
