"""Redaction of text: no way of writing a key and its value shows the value."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.redaction import REDACTED, Redactor

KEYS = ["password", "api_key", "Authorization"]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(KEYS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 next", f"password={REDACTED} next"),
        ("url?api_key=hunter2&b=1", f"url?api_key={REDACTED}&b=1"),
        ("Server=x;Password=hunter2;", f"Server=x;Password={REDACTED};"),
        ("password: hunter2", f"password: {REDACTED}"),
        ("Authorization: Bearer hunter2\nHost: x", f"Authorization: {REDACTED}\nHost: x"),
        ("authorization=Bearer hunter2 x", f"authorization={REDACTED} x"),
        ('{"password": "hunter2", "a": 1}', f'{{"password": "{REDACTED}", "a": 1}}'),
        ("{'API-KEY': 'hunter2', 'a': 1}", f"{{'API-KEY': '{REDACTED}', 'a': 1}}"),
        (r"{\"password\": \"hunter2\", \"a\": 1}", rf"{{\"password\": \"{REDACTED}\", \"a\": 1}}"),
        (r'{"password": "hun\"ter2", "a": 1}', rf'{{"password": "{REDACTED}", "a": 1}}'),
        ("User(name='Ada', password='hunter2')", f"User(name='Ada', password='{REDACTED}')"),
        ('password = """hunter2"""', f'password = """{REDACTED}"""'),
        ("password = b'hunter2 x'", f"password = b'{REDACTED}'"),
        ("apiKey => hunter2", f"apiKey => {REDACTED}"),
        ("config.password=hunter2", f"config.password={REDACTED}"),
        ('"password":\n    "hunter2"', f'"password":\n    "{REDACTED}"'),
        ("the password is secret", "the password is secret"),
        ("password_hint: cat", "password_hint: cat"),
        ("https://host/path: ok", "https://host/path: ok"),
    ],
)
def test_values_are_hidden_where_they_stand(redactor: Redactor, text: str, expected: str) -> None:
    assert redactor.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2',
        '{"password": {"old": "hunter2"}}',
        '{"password": ["hunter2"]}',
        "password: |\n  hunter2\n",
        "password: >-\n  hunter2\n",
        "password: correct horse hunter2",
    ],
)
def test_where_the_end_is_unclear_more_is_hidden(redactor: Redactor, text: str) -> None:
    assert "hunter2" not in redactor.text(text)


@given(
    key=st.sampled_from(["password", "PASSWORD", "pass-word", "api_key", "apiKey", "authorization"]),
    form=st.sampled_from(["{}={}", "{}: {}", '"{}": "{}"', "'{}':'{}'", "--{}={}", 'x="1" {}="{}"']),
    before=st.text(max_size=20),
    secret=st.text("abcdefghijk0123456789", min_size=4),
)
def test_no_secret_survives(key: str, form: str, before: str, secret: str) -> None:
    text = f"{before}\n{form.format(key, 'S3' + secret)}\nafter"
    redacted = Redactor(KEYS).text(text)
    assert "S3" + secret not in redacted[len(before) :]


def test_no_text_makes_it_slow(redactor: Redactor) -> None:
    started = time.process_time()
    for text in ("a" * 65536, "a-" * 32768, "a: " * 21845, '"' * 65536, "\\" * 65536, "password=" * 7281):
        redactor.text(text + ":")
    assert time.process_time() - started < 1.0


def test_without_keys_nothing_is_looked_for() -> None:
    assert not Redactor()
    assert Redactor(["x"])
