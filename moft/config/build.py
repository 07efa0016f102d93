"""From a config to objects: every setting checked against the signatures, all mistakes at once, then built."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

from moft.config.annotations import Chosen, Many, OneOf, Record, Shape, Unsupported, Value, shape_of
from moft.config.error_messages import shown, words_of_shape
from moft.config.signature import Parameter, fields_of, signature_of
from moft.config.validation import validated
from moft.errors import ConfigError, MoftError, PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import SINGULAR
from moft.setting_types import Default
from moft.suggestions import listed, nearest, one_line


@dataclass(frozen=True)
class Resolved:
    """A checked part of a config.

    Args:
        plain: the same as YAML can hold it, with every default filled in; resolving it again gives itself.
        make: builds the object; each call builds a new one.
        parts: what it is made of, each to be built by itself: the fields of a record, settings of a component, entries.
    """

    plain: Any
    make: Callable[[], Any]
    parts: Mapping[str, Resolved] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Resolved:
        return self.parts[name]


def resolve(annotation: Any, value: Any, plugins: Plugins, path: str = "", *, home: Path | None = None) -> Resolved:
    """A config value checked against an annotation, its components selected, nothing built yet.

    Args:
        annotation: an interface, a `Factory` of one, a record, a container or choice of these, or what pydantic knows.
        value: what the config says.
        plugins: where components come from.
        path: where the value stands, in the words that the user typed.
        home: the folder that a relative `PathOrName` starts from; None leaves it as it stands.

    Raises:
        ConfigError: the value has mistakes; one line for each of them.
        PluginError: a component cannot be imported, or its signature is none that a config can fill; mistakes follow.
    """
    walk = _Walk(plugins, home)
    try:
        resolved = walk.value(shape_of(annotation), value, path)
    except Unsupported as error:
        raise PluginError(f"{path or 'config'}: annotation {error}.") from error
    if walk.faults:
        raise PluginError("\n".join([*map(str, walk.faults), *walk.mistakes])) from walk.faults[0]
    if walk.mistakes or resolved is None:
        raise ConfigError("\n".join(walk.mistakes))
    return resolved


def component(interface: Any, value: Any, plugins: Plugins, path: str = "") -> Any:
    """One component, built as a config would, outside a run.

    Args:
        interface: `Scorer`, `Loss` or another one; a `Factory` of it where something stands left of the component's star.
        value: its name, or a mapping of its name and settings.
        plugins: where components come from; a command finds them in `typer.Context.obj`.
        path: what the user calls it, such as `--scorer brief`; messages begin with it.

    Raises:
        ConfigError: there is no such component, or its settings have mistakes; one line for each of them.
        PluginError: the component cannot be imported or built.
    """
    return resolve(interface, value, plugins, path).make()


def building_mistakes(resolved: Resolved) -> list[str]:
    """What goes wrong when the parts of a checked config are built, one line each; a whole is tried when its parts are sound."""
    inner = [text for part in resolved.parts.values() for text in building_mistakes(part)]
    if inner:
        return inner
    try:
        resolved.make()
    except MoftError as error:
        return str(error).splitlines()
    except OSError as error:
        return [f"{error.filename}: {error.strerror}." if error.filename else f"{error}."]
    return []


class Later(functools.partial[Any]):
    """A component that waits for the engine's arguments; an error while it is built says where the config asks for it."""

    path: str
    owner: str

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().__call__(*arguments, **settings)
        except (Exception, SystemExit) as error:
            _raise(error, self.path, self.owner)


class _Walk:
    """Goes through a value and its shape together, and notes every mistake; None stands for what has one.

    Mistakes are the user's. Faults are those of plugins.
    """

    def __init__(self, plugins: Plugins, home: Path | None) -> None:
        self.plugins, self.home = plugins, home
        self.mistakes: list[str] = []
        self.faults: list[PluginError] = []
        self.around: list[tuple[Any, str]] = []  # the mappings and lists that a value stands in, with their paths

    def value(self, shape: Shape, value: Any, path: str) -> Resolved | None:
        is_open = isinstance(value, Mapping | list | tuple)
        if is_open and any(value is other and path != where for other, where in self.around):
            return self._mistake(path, "stands inside itself.")
        if is_open:
            self.around.append((value, path))
        try:
            return self._value(shape, value, path)
        except PluginError as error:
            if not str(error).startswith(f"{path or 'config'}: "):
                error.args = (f"{path or 'config'}: {error}",)
            self.faults.append(error)
            return None
        finally:
            if is_open:
                self.around.pop()

    def _value(self, shape: Shape, value: Any, path: str) -> Resolved | None:
        match shape:
            case Value(annotation):
                found, plain, mistakes = validated(annotation, value, path, self.home)
                self.mistakes += mistakes
                return None if mistakes else Resolved(plain, lambda: found)
            case Chosen():
                return self._component(shape, value, path)
            case Record():
                return self._record(shape, value, path)
            case Many():
                return self._many(shape, value, path)
            case OneOf():
                return self._one_of(shape, value, path)

    def _mistake(self, path: str, text: str) -> Resolved | None:
        """Notes a mistake; what has one resolves to None."""
        self.mistakes.append(f"{path or 'config'}: {text}")
        return None

    def _component(self, shape: Chosen, value: Any, path: str) -> Resolved | None:
        kind = SINGULAR[shape.kind]
        if shape.several is not None and isinstance(value, list | tuple):
            value = {"name": shape.several.name, shape.several.setting: list(value)}
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            more = "" if shape.several is None else f", or a list of {kind}s"
            return self._mistake(path, f"must be {_a(kind)}: a name, or a mapping with a name{more}, got {shown(value)}.")
        given = _named(given, shape.default)
        name = given.get("name")
        if not isinstance(name, str):
            known = listed(sorted(offer.component.name for offer in self.plugins.offers(shape.kind)))
            got = f", got {shown(name)}" if "name" in given else ""
            return self._mistake(path, f"needs the name of {_a(kind)}{got}. Known: {known}.")
        try:
            offer = self.plugins.offer(shape.kind, name)
        except PluginError as error:
            return self._mistake(path, str(error))
        if offer.requirement:
            return self._mistake(path, f"{kind} {name!r} {offer.requirement}")
        owner = f"{kind} {name!r} of plugin {offer.origin}"
        target = offer.load()
        signature = signature_of(target, owner)
        if signature.engine and not shape.is_factory:
            raise PluginError(f"{owner} wants {listed(signature.engine)} left of its star, which nothing gives it here.")
        settings = {key: item for key, item in given.items() if key != "name"}
        lost = [argument for argument in signature.optional if argument in settings or not shape.is_factory]
        if lost:
            raise PluginError(
                f"{owner} has {listed(lost)} left of its star, where no config can set it; settings stand right of the star, "
                f"as in (*, {lost[0]}: float = 1.0)."
            )
        parts = self._settings(signature.settings, settings, path, f"{kind} {name!r}", owner)
        if parts is None:
            return None

        def make() -> Any:
            built = {key: part.make() for key, part in parts.items()}
            later = Later(target, **built)
            later.path, later.owner = path, owner
            return later if shape.is_factory else later()

        return Resolved({"name": name, **{key: part.plain for key, part in parts.items()}}, make, parts)

    def _record(self, shape: Record, value: Any, path: str) -> Resolved | None:
        fields = fields_of(shape.type)
        if isinstance(value, shape.type):
            value = {parameter.name: getattr(value, parameter.name) for parameter in fields}
        if isinstance(value, str) and shape.names:
            value = {"name": value}
        given = {} if value is None else value  # in YAML, `clicks:` with nothing below it
        if not isinstance(given, Mapping):
            return self._mistake(path, f"must be a mapping of {listed(p.name for p in fields)}, got {shown(value)}.")
        owner = f"record {shape.type.__name__}"
        parts = self._settings(fields, given, path, path or "the config", owner)
        if parts is None:
            return None

        def make() -> Any:
            built = {key: part.make() for key, part in parts.items()}
            try:
                return shape.type(**built)
            except Exception as error:
                _raise(error, path, owner)

        order = sorted(parts, key=lambda key: key != "name")
        return Resolved({key: parts[key].plain for key in order}, make, parts)

    def _settings(
        self, parameters: tuple[Parameter, ...], given: Mapping[str, Any], path: str, holder: str, owner: str
    ) -> dict[str, Resolved] | None:
        """Each setting resolved, with defaults for what is not given."""
        names = [parameter.name for parameter in parameters]
        before = len(self.mistakes) + len(self.faults)
        for key in given:
            if key not in names:
                known = f"Settings of {holder}: {listed(names)}." if names else f"{holder} has no settings."
                self._mistake(_joined(path, key), f"unknown setting.{nearest(str(key), names)} {known}")
        parts = {}
        for parameter in parameters:
            where = _joined(path, parameter.name)
            if parameter.name not in given and parameter.is_required:
                self._mistake(where, f"is missing; it is required ({words_of_shape(parameter.shape)}).")
                continue
            first = len(self.mistakes)
            try:
                part = self.value(parameter.shape, given.get(parameter.name, parameter.default), where)
            except Unsupported as error:
                raise PluginError(f"{owner}: setting {parameter.name!r} has annotation {error}.") from error
            if parameter.name not in given:
                self.mistakes[first:] = [f"{text} This is the default in {owner}." for text in self.mistakes[first:]]
            if part is not None:
                parts[parameter.name] = part
        return parts if len(self.mistakes) + len(self.faults) == before else None

    def _many(self, shape: Many, value: Any, path: str) -> Resolved | None:
        is_mapping = shape.container is dict
        if not isinstance(value, Mapping if is_mapping else list | tuple):
            return self._mistake(path, f"must be a {words_of_shape(shape)}, got {shown(value)}.")
        pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        items = {key: self.value(shape.item, item, _joined(path, key)) for key, item in pairs}
        parts = {key: item for key, item in items.items() if item is not None}
        if len(parts) < len(items):
            return None
        if shape.constraints:
            loose: Any = dict[str, Any] if is_mapping else list[Any]
            _, _, mistakes = validated(Annotated[(loose, *shape.constraints)], value if is_mapping else list(value), path)
            self.mistakes += mistakes
            if mistakes:
                return None
        named = {str(key): part for key, part in parts.items()}
        if is_mapping:
            plain = {key: p.plain for key, p in parts.items()}
            return Resolved(plain, lambda: {key: p.make() for key, p in parts.items()}, named)
        return Resolved([p.plain for p in parts.values()], lambda: shape.container(p.make() for p in parts.values()), named)

    def _one_of(self, shape: OneOf, value: Any, path: str) -> Resolved | None:
        if value is None and shape.allows_none:
            return Resolved(None, lambda: None)
        value = _named(value, shape.default)
        plain = [member.annotation for member in shape.members if isinstance(member, Value)]
        others = [member for member in shape.members if not isinstance(member, Value)]
        if plain:
            found, dumped, mistakes = validated(functools.reduce(operator.or_, plain), value, path, self.home)
            if not mistakes:
                return Resolved(dumped, lambda: found)
        tagged = {name: member for member in others if isinstance(member, Record) for name in member.names}
        if tagged and isinstance(value, str | Mapping):
            name = value if isinstance(value, str) else value.get("name")
            if isinstance(name, str) and name in tagged:
                return self.value(tagged[name], value, path)
            if len(tagged) >= len(others):
                hint = nearest(name, tagged) if isinstance(name, str) else ""
                got = f"got {shown(name)}" if name is not None else "which is missing"
                return self._mistake(path, f"needs a name, one of {listed(tagged)}, {got}.{hint}")
        fitting = [member for member in others if _fits(member, value)]
        if not fitting and (plain or len(others) > 1):
            return self._mistake(path, f"must be {words_of_shape(shape)}, got {shown(value)}.")
        return self.value((fitting or others)[0], value, path)


def _named(value: Any, default: Default | None) -> Any:
    """Settings without a name are those of the default, whose other settings stay."""
    if default is None or not isinstance(value, Mapping) or "name" in value:
        return value
    return {"name": default.name, **default.settings, **value}


def _fits(shape: Shape, value: Any) -> bool:
    """Whether a value looks like one of a shape."""
    match shape:
        case Chosen():
            is_list = isinstance(value, list | tuple) and shape.several is not None
            return is_list or isinstance(value, str) or (isinstance(value, Mapping) and "name" in value)
        case Record(record):
            return isinstance(value, Mapping | record) or (bool(shape.names) and isinstance(value, str))
        case Many(_, container):
            return isinstance(value, Mapping if container is dict else list | tuple)
    return True


def _raise(error: Exception | SystemExit, path: str, owner: str) -> NoReturn:
    """Raises what building a component ran into, with the place in the config that asked for it."""
    if isinstance(error, MoftError):
        if path and not str(error).startswith(f"[{path}"):  # it may know better which setting it was
            error.args = (f"[{path}] {error}", *error.args[1:])
        raise error
    if isinstance(error, OSError) and error.filename:  # of the machine: a file that is not there
        raise error
    where = f"[{path}] " if path else ""
    raise PluginError(f"{where}{owner} cannot be built ({one_line(error)}). MOFT_TRACE=1 shows where.") from error


def _joined(path: str, key: Any) -> str:
    """The path of a setting."""
    return f"{path}.{key}" if path else str(key)


def _a(word: str) -> str:
    """The word with its article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
