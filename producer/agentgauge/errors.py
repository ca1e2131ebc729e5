"""The errors of the SDK. Only constructors raise them; later, they reach `on_error`.

AgentgaugeError
├── ConfigError        a setting is wrong: the program's start is the place to find out
├── ValidationError    an event is wrong: it was dropped and counted as `invalid`
└── NetworkError       an endpoint did not take events: they wait, and are tried again
"""


class AgentgaugeError(Exception):
    """Root of all errors of this package."""


class ConfigError(AgentgaugeError):
    """A setting has a value that is not allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name}={value!r} is not allowed: {allowed}")
        self.name = name
        self.value = value
        self.allowed = allowed


class ValidationError(AgentgaugeError):
    """An event, or a part of one, cannot be what it says."""


class NetworkError(AgentgaugeError):
    """An endpoint did not take events; trying again may help. `cure` says what else may."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure
