"""Redaction: values that stand under a secret key never leave the caller's thread.

A key is secret when it equals a given one after casefold and without `-` and `_`: `api_key` means
`API-Key` and `apiKey`, but not `api_key_id`. In text, where a key's value ends is a guess, so every
guess errs towards hiding more.
"""

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[REDACTED]"

_MAX_REMEMBERED_KEYS: Final = 10_000

# A name, then optional (escaped) quotes, then a colon, equals sign or arrow. Possessive, so that no
# text makes it slow.
_NAME: Final = re.compile(r"""(?<![\w-])([\w-]++)\\*+["']?+\s*+([:=]++>?+)\s*+""")
_TRIPLE_QUOTE: Final = re.compile(r"""[A-Za-z]{0,2}("{3}|'{3})""")
_QUOTE: Final = re.compile(r"""[A-Za-z]{0,2}(\\*+["'])""")
_REST_OF_LINE: Final = re.compile(r"[^\r\n]*+")
_WORD: Final = re.compile(r"(?:(?:bearer|basic|digest|token)\s++)?[^\s&;]++", re.IGNORECASE)


def normalise(key: str) -> str:
    """The form in which keys are compared."""
    return key.casefold().replace("-", "").replace("_", "")


class Redactor:
    """Knows the secret keys, and hides what belongs to them. Thread-safe."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = frozenset(map(normalise, keys))
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def is_secret(self, key: str) -> bool:
        """Whether the value under this key must not be seen."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_REMEMBERED_KEYS:
                self._known.clear()
            known = self._known[key] = normalise(key) in self._keys
        return known

    def text(self, text: str) -> str:
        """Text with the values of `key=value`, `key: value` and JSON hidden, quotes kept."""
        if ":" not in text and "=" not in text:
            return text
        parts: list[str] = []
        done = position = 0
        while (found := _NAME.search(text, position)) is not None:
            position = found.end()
            if self.is_secret(found[1]):
                start, position = _value_span(text, position, found[2])
                parts += text[done:start], REDACTED
                done = position
        if not parts:
            return text
        return "".join((*parts, text[done:]))


def _value_span(text: str, start: int, separator: str) -> tuple[int, int]:
    """Where the value that begins at `start` (without its quotes) begins and ends."""
    quote = _TRIPLE_QUOTE.match(text, start) or _QUOTE.match(text, start)
    if quote is not None:
        closing = _closing_quote(text, quote.end(), quote[1])
        return quote.end(), len(text) if closing < 0 else closing
    # A structure or a YAML block: its end is not worth guessing.
    if text[start : start + 1] in ("{", "[", "(", "|", ">"):
        return start, len(text)
    pattern = _REST_OF_LINE if separator.startswith(":") else _WORD
    value = pattern.match(text, start)
    return start, start if value is None else value.end()


def _closing_quote(text: str, start: int, quote: str) -> int:
    """Where the quote closes; -1 when it does not. Longer runs of backslashes only escape."""
    position = text.find(quote, start)
    while position > 0 and text[position - 1] == "\\":
        position = text.find(quote, position + 1)
    return position
