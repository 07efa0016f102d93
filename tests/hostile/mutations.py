"""Mutations of a file's content: bytes, lines, numbers, and the structure of JSON, YAML, safetensors and parquet."""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
NUMBERS = (
    b"0", b"-1", b"1", b"2", b"-0.0", b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"-1e308", b"3.5e38", b"1e-320", b"1_0",
    b"0x10", b"9223372036854775808", b"18446744073709551616", b"4294967295", b"1e10", b"", b"--1", b"1.5", b"7" * 5000,
    "\u0661\u0662".encode(),
)  # fmt: skip
WORDS = (
    b"", b"null", b"true", b"[]", b"{}", b"~", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"../../x", b"/",
    b"/dev/zero", b"/proc/self/mem", b"=1+1", b"-x", b"--help", b"${HOME}", b"${", b"'", b'"', b"\t", b"\r", b"\n\n", b"&a",
    b"*a", b"!!python/object/apply:os.system [id]", b"<<: *x", b"a" * 100_000, b"[" * 5000, b"{" * 3000, b'{"a":' * 3000,
    b"<|im_end|>", b"{{ 1/0 }}", b"{% for x in range(10**12) %}x{% endfor %}", "\u202e".encode(), "\U0001f600".encode(),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), "", "x",
    "\x00", "\ud800", "../x", "/dev/zero", "a" * 50_000, [], {}, [[]], [None], {"": {}}, {"a": {"a": {"a": 1}}}, [0] * 3000,
)  # fmt: skip
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "C64", "x", "")


def mutated(content: bytes, kind: str, random: Random) -> bytes:
    """The content after one to three mutations.

    Args:
        content: of a valid file.
        kind: `json`, `lines` (of JSON), `yaml`, `text`, `safetensors`, `parquet` or `binary`.
        random: decides which.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = random.choice(MUTATIONS[kind])(content, random)
    return content


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _slice(content: bytes, random: Random) -> slice:
    start = random.randrange(len(content) + 1)
    return slice(start, min(len(content), start + random.choice((1, 2, 4, 16, 64, 1024))))


def _cut(content: bytes, random: Random) -> bytes:
    part = _slice(content, random)
    return content[: part.start] + content[part.stop :]


def _double(content: bytes, random: Random) -> bytes:
    part = _slice(content, random)
    return content[: part.stop] + content[part] + content[part.stop :]


def _truncate(content: bytes, random: Random) -> bytes:
    return content[: random.choice((0, 1, len(content) // 2, max(0, len(content) - 1), random.randrange(len(content) + 1)))]


def _insert(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(WORDS + NUMBERS) + content[at:]


def _noise(content: bytes, random: Random) -> bytes:
    part = _slice(content, random)
    return content[: part.start] + random.randbytes(part.stop - part.start) + content[part.stop :]


def _line(content: bytes, random: Random) -> bytes:
    lines = content.split(b"\n")
    here, there = random.randrange(len(lines)), random.randrange(len(lines))
    kind = random.randrange(5)
    if kind == 0:
        del lines[here]
    elif kind == 1:
        lines.insert(there, lines[here])
    elif kind == 2:
        lines[here], lines[there] = lines[there], lines[here]
    elif kind == 3:
        lines.insert(here, random.choice(WORDS + NUMBERS))
    else:
        words = lines[here].split(b" ")
        words[random.randrange(len(words))] = random.choice(WORDS + NUMBERS)
        lines[here] = b" ".join(words)
    return b"\n".join(lines)


def _number(content: bytes, random: Random) -> bytes:
    found = list(NUMBER.finditer(content))
    if not found:
        return _insert(content, random)
    place = random.choice(found)
    return content[: place.start()] + random.choice(NUMBERS) + content[place.end() :]


def _encoding(content: bytes, random: Random) -> bytes:
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content.replace(b"\n", b"\r"),
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode("utf-8", "replace").encode("utf-16"),
        lambda: content.replace(b" ", "\u00a0".encode()),
        lambda: content.rstrip(b"\n"),
        lambda: content + b"\n\n",
    )
    return random.choice(ways)()


def _json(content: bytes, random: Random) -> bytes:
    try:
        tree = {"root": json.loads(content)}
    except (ValueError, RecursionError):
        return _flip(content, random)
    places = list(_places(tree))
    holder, key = random.choice(places)
    kind = random.randrange(6)
    if kind == 0 and holder is not tree:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict) and holder is not tree:
        holder[random.choice(("x", "", "name", f"{key} ", str(key).upper()))] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), random.choice([*VALUES, *holder]))
    elif kind == 3:
        other, name = random.choice(places)
        holder[key] = json.loads(json.dumps(other[name]))
    elif kind == 4 and isinstance(holder, dict):
        text = json.dumps(tree["root"])
        part = json.dumps(key) + ": "
        return text.replace(part, f"{part}{json.dumps(random.choice(VALUES[:20]))}, {part}", 1).encode()
    else:
        holder[key] = random.choice(VALUES)
    return json.dumps(tree["root"]).encode()


def _places(tree: Any) -> Any:
    """Each value within a tree of JSON, as what holds it and where."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield tree, key
        yield from _places(value)


def _json_line(content: bytes, random: Random) -> bytes:
    lines = content.split(b"\n")
    here = random.randrange(len(lines))
    lines[here] = _json(lines[here], random)
    return b"\n".join(lines)


def _yaml(content: bytes, random: Random) -> bytes:
    bombs = (
        b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c, *%c]\n" % (n + 1, n + 1, n, n, n) for n in range(97, 121)),
        b"x: " + b"[" * 4000 + b"]" * 4000 + b"\n",
        b"".join(b" " * n + b"a:\n" for n in range(2000)),
        b"? {a: 1}\n: 2\n", b"---\n", b"...\n", b"%YAML 9.9\n", b"\tx: 1\n", b"- x\n", b"x: !!binary aGk=\n", b"x: 2001-01-01\n",
        b"task: 1\n", b"method: [cos-dpo, cos-dpo]\n", b"trainer: {epochs: 1e99}\n", b"seed: 99999999999999999999\n",
    )  # fmt: skip
    at = random.choice((0, len(content)))
    return content[:at] + b"\n" + random.choice(bombs) + content[at:]


def _header(content: bytes, random: Random) -> bytes:
    """Changes the header of a safetensors file; data and lengths stay, so that the rest fits."""
    try:
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        name = random.choice(list(header))
        tensor = header[name]
        kind = random.randrange(6)
        if kind == 0:
            header[f"{name}.x"] = header.pop(name)
        elif kind == 1:
            del header[name]
        elif kind == 2:
            tensor["dtype"] = random.choice(DTYPES)
        elif kind == 3:
            tensor["shape"] = random.choice(([], [0], [1, *tensor["shape"]], tensor["shape"][::-1], [-1], [2**40], "x"))
        elif kind == 4:
            tensor["data_offsets"] = [random.choice((0, -1, 4, 2**50)), random.choice((0, 8, 2**63))]
        else:
            return struct.pack("<Q", random.choice((0, 1, 2**63, 2**40, size - 1, size + 1))) + content[8:]
    except (ValueError, KeyError, TypeError, struct.error, IndexError):
        return _flip(content, random)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def _poke(content: bytes, random: Random) -> bytes:
    """Puts a number that is not finite, or is very large, among the tensors of a safetensors file."""
    if len(content) < 16:
        return content
    (size,) = struct.unpack("<Q", content[:8])
    words = (len(content) - 8 - min(size, len(content) - 8)) // 4
    if words < 1:
        return content
    at = len(content) - 4 * (1 + random.randrange(words))
    value = random.choice((float("nan"), float("inf"), float("-inf"), 3e38, -3e38, 1e-42))
    return content[:at] + struct.pack("<f", value) + content[at + 4 :]


def _table(content: bytes, random: Random) -> bytes:
    """Writes a parquet file anew with a column changed."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        name = random.choice(table.column_names)
        at, kind = table.column_names.index(name), random.randrange(5)
        if kind == 0:
            table = table.drop_columns([name])
        elif kind == 1:
            table = table.rename_columns([f"{one}x" if one == name else one for one in table.column_names])
        elif kind == 2:
            table = table.set_column(at, name, pyarrow.nulls(len(table)))
        elif kind == 3:
            values = table.column(at).to_pylist()
            values[random.randrange(len(values))] = None
            table = table.set_column(at, name, pyarrow.array(values))
        else:
            value = random.choice((1, 1.5, "x", float("nan"), [1], {"a": 1}, b"x", True))
            table = table.set_column(at, name, pyarrow.array([value] * len(table)))
        written = io.BytesIO()
        pyarrow.parquet.write_table(table, written)
    except (pyarrow.ArrowException, OSError, IndexError, ValueError):
        return _flip(content, random)
    return written.getvalue()


_BYTES = (_flip, _cut, _double, _truncate, _insert, _noise)
_TEXT = (*_BYTES, _line, _line, _line, _number, _number, _number, _encoding)
MUTATIONS: dict[str, tuple[Callable[[bytes, Random], bytes], ...]] = {
    "binary": _BYTES,
    "text": _TEXT,
    "json": (*_TEXT, *[_json] * 12),
    "lines": (*_TEXT, *[_json_line] * 12),
    "yaml": (*_TEXT, _line, _line, _yaml, _yaml, _yaml),
    "safetensors": (*_BYTES, *[_header] * 4, *[_poke] * 6),
    "parquet": (*_BYTES, *[_table] * 6),
}
