"""The settings in a signature: the keyword-only arguments of a component, or the fields of a record."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from moft.config.setting_annotations import Shape, Unsupported, default_of, shape_of
from moft.errors import PluginError
from moft.suggestions import one_line

REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """A setting as its signature declares it.

    Args:
        name: in the config file.
        annotation: its type, with constraints.
        shape: of the annotation.
        default: its value if the config leaves it out, as in a config, or `REQUIRED`.
    """

    name: str
    annotation: Any
    shape: Shape
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether the config has to give it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Signature:
    """The arguments of a component.

    Args:
        engine: names of the positional arguments without default, before the '*'; the engine supplies them.
        settings: the settings, in their order.
        optional: names of the positional arguments with a default; the engine may supply them, a config cannot.
    """

    engine: tuple[str, ...]
    settings: tuple[Parameter, ...]
    optional: tuple[str, ...] = ()


def signature_of(target: Callable[..., Any], owner: str) -> Signature:
    """The signature of a component's target.

    Args:
        target: a class, a function, or an object that can be called.
        owner: the component in words, for messages.

    Raises:
        PluginError: a setting has no annotation, or one that a config cannot fill, or the signature takes `**kwargs`.
    """
    read = _signature_of if isinstance(target, Hashable) else _signature_of.__wrapped__
    return read(target, owner)


@functools.cache
def _signature_of(target: Callable[..., Any], owner: str) -> Signature:
    """As above; a config is resolved many times, and reading annotations takes most of that."""
    function = _function(target)
    if function is None:
        return Signature((), ())
    engine: list[str] = []
    optional: list[str] = []
    names = []
    for parameter in _parameters(target, function):
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else "*"
            raise PluginError(f"{owner}: its signature takes {stars}{parameter.name}; every setting has to be named.")
        if parameter.kind is not parameter.KEYWORD_ONLY:
            (engine if parameter.default is parameter.empty else optional).append(parameter.name)
        elif parameter.annotation is parameter.empty:
            raise PluginError(f"{owner}: setting {parameter.name!r} has no annotation, so it cannot be checked.")
        elif parameter.name == "name":
            raise PluginError(f"{owner}: a setting may not be called 'name', which selects the component.")
        else:
            names.append(parameter)
    raw = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation for parameter in names})
    hints = _hints(raw, owner, getattr(inspect.unwrap(function), "__globals__", {}))
    settings = tuple(_parameter(p.name, hints[p.name], p.default, owner) for p in names)
    return Signature(tuple(engine), settings, tuple(optional))


def fields_of(record: type[Any]) -> tuple[Parameter, ...]:
    """The fields of a dataclass as settings.

    Raises:
        PluginError: a config cannot fill the annotation of a field.
    """
    return _fields_of(record)  # type: ignore[arg-type] # mypy takes no type[Any] for hashable


@functools.cache
def _fields_of(record: type[Any]) -> tuple[Parameter, ...]:
    owner = f"record {record.__name__}"
    hints = _hints(record, owner, None)
    found = []
    for field in dataclasses.fields(record):
        if field.init:
            default = REQUIRED if field.default is dataclasses.MISSING else field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            found.append(_parameter(field.name, hints[field.name], default, owner))
    return tuple(found)


def help_of(target: Any) -> Mapping[str, str]:
    """The meaning of each setting, on one line, from the section `Args` of a Google docstring; a record has those it extends."""
    texts = [inspect.getdoc(target) or ""]
    if dataclasses.is_dataclass(target) and inspect.isclass(target):
        texts += [inspect.getdoc(base) or "" for base in target.__mro__[1:] if dataclasses.is_dataclass(base)]
    if inspect.isclass(target):
        texts.append(inspect.getdoc(target.__init__) or "")
    found: dict[str, str] = {}
    for text in texts:
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
        if not section:
            continue
        body = textwrap.dedent(section[1])
        for entry in re.split(r"\n(?=\S)", body):
            match = re.match(r"(\w+)(?: \([^)]*\))?:\s*(.*)", entry, re.DOTALL)
            if match:
                found.setdefault(match[1], " ".join(match[2].split()))
    return found


def _parameter(name: str, annotation: Any, default: Any, owner: str) -> Parameter:
    """A setting, with its default as a config file would have it, if that is known."""
    try:
        shape = shape_of(annotation)
    except Unsupported as error:
        raise PluginError(f"{owner}: setting {name!r} has annotation {error}.") from error
    if default is REQUIRED and (component := default_of(annotation)):
        default = {"name": component.name, **component.settings}
    return Parameter(name, annotation, shape, default)


def _function(target: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function with the annotations of a target; None if it takes no arguments."""
    if isinstance(target, functools.partial):
        return _function(target.func)
    if inspect.isclass(target):
        owner = next(base for base in target.__mro__ if "__init__" in vars(base))
        function = typing.cast("Callable[..., Any]", vars(owner)["__init__"])
        # a protocol gives a class its own or, once that was called, the next one's
        takes_nothing = getattr(owner, "_is_protocol", False) or function in (object.__init__, nn.Module.__init__)
        return None if takes_nothing else function
    if inspect.isroutine(target):
        return target
    return type(target).__call__


def _parameters(target: Callable[..., Any], function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    """The parameters of a target, without `self`."""
    if inspect.isclass(target):
        return list(inspect.signature(function).parameters.values())[1:]
    return inspect.signature(target).parameters.values()


def _hints(holder: Any, owner: str, names: dict[str, Any] | None) -> dict[str, Any]:
    """The annotations of a function, a class or a record, as types, also those that `from __future__` keeps as text."""
    try:
        return typing.get_type_hints(holder, globalns=names, include_extras=True)
    except Exception as error:
        raise PluginError(f"{owner}: an annotation cannot be read ({one_line(error)}).") from error
