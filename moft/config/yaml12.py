"""Reads and writes YAML with the scalars of YAML 1.2; keys that are given twice are refused."""

from __future__ import annotations

import re
from typing import Any

import yaml

LENGTH = 1_000_000
"""The most characters of a YAML text; the longest configs have a few thousand."""
NODES = 50_000
"""The most keys and values of a text in which every alias is replaced by what it stands for."""
DEPTH = 100
"""The most levels of mappings and lists."""
DIGITS = 1000
"""The most digits of a number."""


class Malformed(Exception):  # noqa: N818
    """A text that is not valid YAML.

    Args:
        message: what is wrong, on one line.
        line: where, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def load(text: str) -> Any:
    """The value of a YAML text: mappings with text keys, lists, text, numbers, booleans and None.

    Raises:
        Malformed: a syntax error, a key given twice, a key that is not text, an unknown tag, an endless alias, a character that
            no setting can hold, or more of anything than the limits of this module.
    """
    if len(text) > LENGTH:
        raise Malformed(f"is longer than {LENGTH:,} characters, the most that moft reads.", 1)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context and f"{error.context}:", error.problem) if part)
        raise Malformed(f"{problem}.", mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Malformed(f"character {chr(error.character)!r} is not allowed in YAML.", line) from error
    finally:
        if loader is not None:
            loader.dispose()


def lines_of(text: str) -> dict[str, int]:
    """The line, from 1, of each key and entry of a text that `load` reads, by its path, such as `method.loss.name`."""
    found: dict[str, int] = {}

    def walk(node: yaml.Node | None, path: str) -> None:
        pairs: list[tuple[str, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            pairs = [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
        elif isinstance(node, yaml.SequenceNode):
            pairs = [(str(index), item, item) for index, item in enumerate(node.value)]
        for name, start, value in pairs:
            inner = f"{path}.{name}" if path else name
            found[inner] = start.start_mark.line + 1
            walk(value, inner)

    walk(yaml.compose(text, Loader=_Loader), "")
    return found


def dump(value: Any) -> str:
    """A text that `load` reads as the same value, with the keys in their order."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def inline_yaml(value: Any) -> str:
    """A value on one line, such as `{column: 4}`, that can stand anywhere in a YAML text."""
    text = yaml.dump([value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=float("inf"))
    return str(text).strip()[1:-1]


class _Loader(yaml.SafeLoader):
    """Reads `1e-3` as a number, `on` and `2024-01-01` as text, `010` as ten and `1:30` as text."""

    # yaml looks at the resolvers of the class, by the first character of a scalar
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth, self._nodes = 0, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As yaml does it, but only so deep and so many."""
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        self._depth, self._nodes = self._depth + 1, self._nodes + 1
        if self._depth > DEPTH:
            raise Malformed(f"is nested deeper than {DEPTH} levels.", line)
        if self._nodes > NODES:
            raise Malformed(_TOO_MANY, line)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what `_Loader` would not read as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: list(known) for first, known in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


_SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
)
_PATTERNS = {tag: re.compile(pattern) for tag, pattern, _ in _SCALARS}
_TOO_MANY = f"has more than {NODES:,} keys and values, counting what each alias stands for."
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
    _Dumper.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "merge", "map", "seq")}


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    """A whole number; leading zeros are ignored."""
    text = str(loader.construct_scalar(node))
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text, base)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _check(node: yaml.Node, sizes: dict[yaml.Node, int | None]) -> int:
    """Refuses what a YAML reader would accept silently: a key given twice, a key that is not text, a node inside itself.

    Args:
        node: to be checked, with all that it holds.
        sizes: what this returned for the nodes that were checked already, since an alias is the node that it stands for; None
            while a node is being checked.

    Returns: how many keys and values the node holds, itself included, each alias counted as what it stands for.
    """
    line = node.start_mark.line + 1
    if node in sizes:
        if (known := sizes[node]) is None:
            raise Malformed("an alias refers to something that contains it.", line)
        return known
    if node.tag not in _TAGS:
        raise Malformed(f"tag {node.tag!r} is not allowed.", line)
    sizes[node], size = None, 1
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node, line)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check(item, sizes) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            size += 1 + _check(value, sizes)
            where = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str" or not isinstance(key, yaml.ScalarNode):
                text = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise Malformed(f"the key {text} is not text; put it in quotes.", where)
            _check_scalar(key, where)
            if key.value in lines:
                raise Malformed(f"key {key.value!r} is given twice, first on line {lines[key.value]}.", where)
            lines[key.value] = where
    if size > NODES:
        raise Malformed(_TOO_MANY, line)
    sizes[node] = size
    return size


def _check_scalar(node: yaml.ScalarNode, line: int) -> None:
    """Refuses a value that its tag does not fit, such as `!!int x`, and what could be no number and no text of a setting.

    JSON writes some characters as two halves, such as `\\ud83d\\ude00`; they become one character.
    """
    text = node.value = _HALVES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), node.value)
    if node.tag in _PATTERNS and not _PATTERNS[node.tag].fullmatch(text):
        raise Malformed(f"{text[:40]!r} does not fit its tag {node.tag.rpartition(':')[2]!r}.", line)
    if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(text) > DIGITS:
        raise Malformed(f"the number {text[:10]}... has more than {DIGITS:,} digits.", line)
    if bad := _UNUSABLE.search(text):
        raise Malformed(f"{text[:40]!r} has the character U+{ord(bad[0]):04X}, which no setting can hold.", line)


_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # no path has the first; no text in a file has the others
