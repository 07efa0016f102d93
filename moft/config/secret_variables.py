"""Environment variables in a config: secret ones stay as references until the value of a setting is validated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from moft.files.plain_number import is_plain
from moft.secret_values import forget_secret, redacted, remember_secret

VARIABLE = re.compile(r"\$\{(secret:[^}]*|[A-Za-z_][A-Za-z0-9_]*)\}")
"""`${NAME}`, or `${secret:NAME}` for a variable whose name does not look like a secret."""

_MARK = "secret:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = (
    "TOKEN|KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PW|CREDENTIAL|CRED|AUTH|BEARER|COOKIE|PAT|JWT|OTP|SAS|DSN|SIGNATURE|"
    "WEBHOOK|CONNECTION_STRING"
)
_ENDS = "TOKEN|(?:API|ACCESS|SECRET|PRIVATE|ACCOUNT|MASTER|SIGNING|ENCRYPTION|AUTH|SSH)KEY|SECRET|PASSWORD|PASSWD|(?<!BY|OM)PASS"
_SECRET = re.compile(rf"(?:^|_)(?:{_WORDS})S?\d*(?:_|$)|(?:{_ENDS})S?\d*(?:_|$)|(?<=.)(?<!OLD)PWD$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret(variable: str) -> bool:
    """Whether a variable, as it stands between `${` and `}`, is a secret: by its name, or because the config says so."""
    return variable.startswith(_MARK) or bool(_SECRET.search(_HUMP.sub("_", variable).upper()))


def value_of(variable: str) -> str | None:
    """The value of a variable, as it stands between `${` and `}`; None if it is not set."""
    return os.environ.get(variable.removeprefix(_MARK))


def is_named(variable: str) -> bool:
    """Whether a variable, as it stands between `${` and `}`, has a name that a variable can have."""
    return _NAME.fullmatch(variable.removeprefix(_MARK)) is not None


def has_secret(value: Any) -> bool:
    """Whether a value of a config refers to a secret, at any depth."""
    if isinstance(value, str):
        return any(is_secret(found[1]) for found in VARIABLE.finditer(value))
    if isinstance(value, Mapping):
        return any(map(has_secret, value.values()))
    return isinstance(value, list | tuple) and any(map(has_secret, value))


def with_secrets(value: Any) -> Any:
    """A value with its references to secrets replaced by their values, at any depth; those that are not set stay."""
    if isinstance(value, str):
        return VARIABLE.sub(_value, value)
    if isinstance(value, Mapping):
        return {key: with_secrets(item) for key, item in value.items()}
    return [with_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def unset_secrets(value: Any) -> list[str]:
    """A message for each text in a value that refers to a secret that is not set."""
    if isinstance(value, str):
        unset = [found[0] for found in VARIABLE.finditer(value) if is_secret(found[1]) and value_of(found[1]) is None]
        return [f"environment variable {reference} is not set, in {value!r}." for reference in unset]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in unset_secrets(item)]


def with_references(plain: Any, given: Any) -> Any:
    """A validated value as YAML can hold it, with the references to secrets that it was given with.

    A number and a boolean are no secrets, unless the config says so.

    Args:
        plain: the validated value; it may hold secrets.
        given: the same before secrets were replaced and it was validated.

    Raises:
        ValueError: a secret stands for something else than text.
    """
    if isinstance(given, str) and has_secret(given):
        if isinstance(plain, str):
            return given
        if f"${{{_MARK}" in given or not (isinstance(plain, bool) or is_plain(with_secrets(given))):
            raise ValueError(given)
        for found in VARIABLE.finditer(given):  # a number such as `${MAX_TOKENS}`, whose name was only taken for that of a secret
            forget_secret(found[0])
        return plain
    if isinstance(plain, Mapping) and isinstance(given, Mapping):
        return {key: with_references(item, given.get(key)) for key, item in plain.items()}
    if isinstance(plain, list | tuple) and isinstance(given, list | tuple) and len(plain) == len(given):
        origin = {repr(with_secrets(item)): item for item in given}
        if all(repr(item) in origin for item in plain):  # also in another order, which sets have
            return [origin[repr(item)] for item in plain]
        return [with_references(item, other) for item, other in zip(plain, given, strict=True)]
    return redacted(plain)


def _value(found: re.Match[str]) -> str:
    value = value_of(found[1]) if is_secret(found[1]) else None
    if value is None:
        return found[0]
    remember_secret(value, found[0])
    return value
