"""Every setting of the SDK: its default, its environment variable, what is allowed, what it does.

A value is the argument, else it is taken from the environment, else it is the default. The name of
the environment variable is `AGENTGAUGE_` and the setting's in capitals; some have a second one.
"""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from agentgauge.errors import ConfigError
from agentgauge_schemas.topics import DEFAULT_PREFIX

DEFAULT_URL: Final = "kafka://localhost:9092"
ADAPTIVE_FLUSH_S: Final = (1.0, 5.0)
PREFIX: Final = "AGENTGAUGE_"

_SWITCH_WORDS: Final = {
    **dict.fromkeys(("false", "0", "no", "off"), False),
    **dict.fromkeys(("true", "1", "yes", "on"), True),
}
_ALIASES: Final = {
    "url": "AGENTTRACE_API_URL",
    "debug": "AGENTTRACE_DEBUG",
    "enabled": "AGENTTRACE_ENABLED",
}


def _plain(about: str, allowed: str) -> Meta:
    return Meta(title=allowed, description=about)


def _text(about: str) -> Meta:
    return Meta(title="at most 256 characters", description=about, max_length=256)


def _matching(about: str, allowed: str, pattern: str) -> Meta:
    return Meta(title=allowed, description=about, pattern=pattern)


def _number(about: str, allowed: str, ge: float, le: float) -> Meta:
    return Meta(title=allowed, description=about, ge=ge, le=le)


def _switch(about: str) -> Meta:
    return _plain(about, "true or false")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one client, checked."""

    url: Annotated[
        str,
        _matching(
            "where events go",
            "kafka://host:port[,host:port], console: or memory:",
            pattern=r"^(kafka://[A-Za-z0-9._-]+:\d{1,5}(,[A-Za-z0-9._-]+:\d{1,5})*/?|console:|memory:)$",
        ),
    ] = DEFAULT_URL
    prefix: Annotated[
        str,
        _matching(
            "of the topics' names", "letters, digits, '.', '_' and '-'", pattern=r"^[A-Za-z0-9._-]{1,200}$"
        ),
    ] = DEFAULT_PREFIX
    project: Annotated[str, _text("what the events belong to")] = "default"
    environment: Annotated[str, _text("production, staging ...")] = "default"
    service: Annotated[str, _text("this program; default: the name of its main file")] = ""
    release: Annotated[str, _text("the program's version")] = ""
    agent: Annotated[str, _text("the agent of events that name none")] = ""
    flush_interval: Annotated[
        float,
        _number(
            "longest wait before events are sent; 0: one second, and up to five while fewer than 20 come in it",
            "from 0 to 3600 (seconds)",
            ge=0,
            le=3600,
        ),
    ] = 0.0
    batch_size: Annotated[
        int, _number("that many events are sent without waiting", "from 1 to 1000", ge=1, le=1000)
    ] = 1000
    queue_events: Annotated[
        int, _number("events that wait at most; later ones are dropped", "from 1 to 10000000", ge=1, le=10**7)
    ] = 100_000
    queue_bytes: Annotated[
        int, _number("their size at most", "from 1 MiB to 16 GiB (bytes)", ge=1 << 20, le=1 << 34)
    ] = 64 << 20
    retry_attempts: Annotated[
        int, _number("retries after 1, 2, 4 ... s, before a pause of 30 s", "from 0 to 10", ge=0, le=10)
    ] = 3
    timeout: Annotated[
        float, _number("limit of one connect, and of flush()", "from 0.01 to 600 (seconds)", ge=0.01, le=600)
    ] = 10.0
    redact_keys: Annotated[
        tuple[str, ...],
        _plain("keys whose values are hidden, at any depth and in text", "keys; in the environment a,b,c"),
    ] = ()
    capture_input: Annotated[bool, _switch("keep the arguments of observed calls")] = True
    capture_output: Annotated[bool, _switch("keep the results of observed calls")] = True
    strict: Annotated[bool, _switch("raise ValidationError instead of dropping an invalid event")] = False
    debug: Annotated[bool, _switch("log what the SDK does")] = False
    enabled: Annotated[bool, _switch("observe at all")] = True

    @property
    def flush_range_s(self) -> tuple[float, float]:
        """The wait for a well-filled and for a small block."""
        if self.flush_interval == 0:
            return ADAPTIVE_FLUSH_S
        return self.flush_interval, self.flush_interval


_HINTS: Final = get_type_hints(Settings, include_extras=True)
_METAS: Final[dict[str, Meta]] = {name: _HINTS[name].__metadata__[0] for name in Settings.__struct_fields__}
_DEFAULTS: Final = dict(zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True))


class Setting(NamedTuple):
    """What the documentation says about one setting."""

    name: str
    default: object
    environment: tuple[str, ...]
    allowed: str
    about: str


def describe() -> list[Setting]:
    """All settings, in the order of their definition."""
    return [
        Setting(name, _DEFAULTS[name], _variables(name), meta.title or "", meta.description or "")
        for name, meta in _METAS.items()
    ]


def resolve(given: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from arguments (None: not given) and the environment. Raises ConfigError; where nothing
    is enabled, nothing but that is looked at.
    """
    if _find("enabled", given, environment) is False:
        return Settings(enabled=False)
    found = {name: _find(name, given, environment) for name in Settings.__struct_fields__}
    found = {name: value for name, value in found.items() if value is not None}
    if not found.get("service"):
        found["service"] = Path(sys.argv[0]).stem[:256] if sys.argv else ""
    return msgspec.convert(found, Settings)


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment says where events go."""
    return any(environment.get(variable) for variable in _variables("url"))


def servers_of(settings: Settings) -> list[str]:
    """The `host:port`s of a Kafka URL. Raises ConfigError for another URL."""
    if not settings.url.startswith("kafka://"):
        raise ConfigError("url", settings.url, "kafka://host:port[,host:port]")
    return settings.url.removeprefix("kafka://").rstrip("/").split(",")


def host_name() -> str:
    """The name of this machine."""
    return socket.gethostname()[:256]


def _variables(name: str) -> tuple[str, ...]:
    own = PREFIX + name.upper()
    return (own, _ALIASES[name]) if name in _ALIASES else (own,)


def _find(name: str, given: Mapping[str, object], environment: Mapping[str, str]) -> object:
    value = given.get(name)
    if value is not None:
        return _check(name, name, value, strict=True)
    for variable in _variables(name):
        if environment.get(variable):
            return _check(name, variable, _parse(name, environment[variable]), strict=False)
    return None


def _parse(name: str, text: str) -> object:
    if isinstance(_DEFAULTS[name], bool):
        return _SWITCH_WORDS.get(text.strip().casefold(), text)
    if name == "redact_keys":
        return [key.strip() for key in text.split(",") if key.strip()]
    return text.strip()


def _check(name: str, shown_as: str, value: object, *, strict: bool) -> object:
    try:
        return msgspec.convert(value, _HINTS[name], strict=strict)
    except msgspec.ValidationError:
        raise ConfigError(shown_as, value, _METAS[name].title or "") from None
