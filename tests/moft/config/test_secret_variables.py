"""Which variables are secrets, and that a config keeps their references while its objects get their values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from moft.config.build_component import resolve
from moft.config.config_file import read_config
from moft.config.secret_variables import is_secret
from moft.errors import ConfigError
from moft.hooks.plugin_manager import Plugins
from moft.secret_values import redacted

VALUE = "s3cr\"et'/\\valu&e"


@dataclass(frozen=True)
class Record:
    text: str = ""
    place: Path = Path()
    kind: Literal["a", "b"] = "a"
    number: float | None = None
    perhaps: str | None = None
    words: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    more: dict[str, Any] = field(default_factory=dict)


SECRETS = (
    "HF_TOKEN API_KEY KEY AWS_SECRET_ACCESS_KEY DB_PASSWORD PGPASSWORD db_passwd GOOGLE_CREDENTIALS AUTH HTTP_AUTH_HEADER "
    "OPENAI_APIKEY wandbApiKey githubToken TOKENS KEY2 MYSQL_PWD GPG_PASSPHRASE secret:HOME SESSION_COOKIE GITLABTOKEN "
    "GITHUB_PAT HF_PAT MINIO_ACCESSKEY SECRETKEY PRIVATEKEY PGPASS JWT SENTRY_DSN ACCESSKEY_ID DBPWD SLACK_WEBHOOK_URL DB_PW"
)
OTHERS = "HOME PWD OLDPWD DATA MONKEY KEYBOARD AUTHOR BYPASS TOKENIZER PASSES MODEL SECRETARY PATH COMPASS HOTKEY"


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_name_that_looks_like_a_secret_is_one(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_other_names_are_none(name):
    assert not is_secret(name)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """What a config of the given text resolves to."""

    def resolved(text, overrides=()):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return resolve(Record, read_config(path, overrides), Plugins())

    monkeypatch.setenv("MY_TOKEN", VALUE)
    monkeypatch.setenv("PLAIN", "plain")
    return resolved


def test_objects_get_the_values_and_the_config_keeps_the_references(read):
    found = read(
        "text: ${PLAIN}-${MY_TOKEN}-${secret:PLAIN}\nplace: /data/${MY_TOKEN}/\nwords: [a, '${MY_TOKEN}']\n"
        "names: [b, '${MY_TOKEN}', a]\nmore: {key: {inner: ['${MY_TOKEN}', 1]}}\n"
    )
    made = found.make()
    assert made.text == f"plain-{VALUE}-plain"
    assert type(made.text) is str
    assert made.place == Path(f"/data/{VALUE}")
    assert made.words == ("a", VALUE)
    assert made.names == {"a", "b", VALUE}
    assert made.more == {"key": {"inner": [VALUE, 1]}}
    assert found.plain["text"] == "plain-${MY_TOKEN}-${secret:PLAIN}"
    assert found.plain["place"] == "/data/${MY_TOKEN}/"
    assert found.plain["words"] == ["a", "${MY_TOKEN}"]
    assert sorted(found.plain["names"]) == ["${MY_TOKEN}", "a", "b"]
    assert found.plain["more"] == {"key": {"inner": ["${MY_TOKEN}", 1]}}
    assert resolve(Record, found.plain, Plugins()).plain == found.plain


def test_an_override_keeps_its_reference_too(read):
    found = read("text: a", ["text=${MY_TOKEN}", "more.key=${secret:PLAIN}"])
    assert (found.plain["text"], found.plain["more"]) == ("${MY_TOKEN}", {"key": "${secret:PLAIN}"})
    assert found.make().more == {"key": "plain"}


def test_a_stored_config_is_looked_up_again_and_what_is_not_set_is_told(read, monkeypatch):
    plain = read("perhaps: ${MY_TOKEN}\nmore: {a: '${MY_TOKEN}'}").plain
    monkeypatch.setenv("MY_TOKEN", "v4lue")
    assert resolve(Record, plain, Plugins()).make().perhaps == "v4lue"
    monkeypatch.delenv("MY_TOKEN")
    with pytest.raises(ConfigError) as error:
        resolve(Record, plain, Plugins())
    assert str(error.value).splitlines() == [
        "perhaps: environment variable ${MY_TOKEN} is not set, in '${MY_TOKEN}'.",
        "more: environment variable ${MY_TOKEN} is not set, in '${MY_TOKEN}'.",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: ${MY_TOKEN}", "kind: must be 'a' or 'b', got '${MY_TOKEN}'."),
        ("number: ${MY_TOKEN}", "number: must be a number, got '${MY_TOKEN}'."),
        ("words: {a: '${MY_TOKEN}'}", "words: must be a list, got a mapping of a."),
        ("more: ['${MY_TOKEN}']", "more: must be a mapping, got ['${MY_TOKEN}']."),
        (
            "number: ${secret:A_KEY}",
            "number: a secret can only be text, got ${secret:A_KEY}; give the variable another name.",
        ),
        ("perhaps: ${NO_TOKEN}", "perhaps: environment variable ${NO_TOKEN} is not set, in '${NO_TOKEN}'."),
        ("text: ${NO_TOKEN}", "text: environment variable ${NO_TOKEN} is not set, in '${NO_TOKEN}'."),
        ("text: ${secret:NONE}", "text: environment variable ${secret:NONE} is not set, in '${secret:NONE}'."),
        ("text: ${secret:a-b}", "text: ${secret:a-b} does not name an environment variable, in '${secret:a-b}'."),
    ],
)
def test_mistakes_show_the_reference(text, told, read, monkeypatch):
    monkeypatch.setenv("A_KEY", "0.25")
    for name in ("NO_TOKEN", "NONE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError) as error:
        read(text)
    assert str(error.value) == told


@pytest.mark.parametrize(("value", "number"), [("1024", 1024.0), ("-2.5e3", -2500.0), ("12345678", 12345678.0)])
def test_a_number_is_no_secret_unless_the_config_says_so(value, number, read, monkeypatch):
    """`MAX_TOKENS` only sounds like one; a password of digits is text."""
    monkeypatch.setenv("MAX_TOKENS", value)
    found = read("number: ${MAX_TOKENS}\nmore: {a: 1}")
    assert (found.plain["number"], found.make().number) == (number, number)
    assert redacted(f"{value} tokens") == f"{value} tokens"
    found = read("text: ${MAX_TOKENS}")
    assert (found.plain["text"], found.make().text) == ("${MAX_TOKENS}", value)
    assert redacted(f"{value} tokens") == "${MAX_TOKENS} tokens"


def test_a_number_in_another_form_is_not_taken_from_such_a_variable(read, monkeypatch):
    monkeypatch.setenv("MAX_TOKENS", "1_024")
    with pytest.raises(ConfigError, match="number: a secret can only be text, got"):
        read("number: ${MAX_TOKENS}")
