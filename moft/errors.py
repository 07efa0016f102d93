"""The errors that a user can cause or has to know about; the command line prints each as one line."""

from __future__ import annotations

from moft.secret_values import redacted


class MoftError(Exception):
    """Base of every expected error: the message says where, what was found and what is allowed, without secrets."""

    module: str = ""
    """Of the component that returned something wrong, so that its plugin can be named; empty for all other errors."""

    def __str__(self) -> str:
        return str(redacted(super().__str__()))


class ConfigError(MoftError):
    """A config file, an override or an option asks for something that is wrong or not supported."""


class PluginError(MoftError):
    """A plugin is missing, broken, or clashes with another."""


class ShapeError(MoftError):
    """Tensors disagree on a named axis, or a value lies outside what the axis allows."""


class DataError(MoftError):
    """A data file is malformed, or holds something that cannot be learned from."""


class RunError(MoftError):
    """A run folder, a checkpoint or a training run is not in a state that allows what was asked."""


class BusyError(MoftError):
    """A server or an engine takes no request now; the same request can succeed later.

    Args:
        message: one sentence.
        seconds: after which it is worth another try.
    """

    def __init__(self, message: str, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.seconds = seconds
