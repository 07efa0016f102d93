"""What is mutated, and the command that then reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from tests.hostile.mutations import mutated

KINDS = {
    "*.safetensors": "safetensors", "*.jsonl": "lines", "*.json": "json", "*.yaml": "yaml", "*.txt": "text", "*.csv": "text",
    "*.parquet": "parquet", "*": "binary",
}  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """Files that are mutated, one at a time, and the commands of which one then reads it.

    Args:
        name: in the table.
        files: patterns within the folder of samples.
        commands: words of `moft`; `FILE` stands for the mutated file.
        share: of all cases, relative to the other readers.
    """

    name: str
    files: tuple[str, ...]
    commands: tuple[str, ...]
    share: int = 4


QUICK = ("config", "data", "score")
"""Commands of a quick case, besides `--plan`."""

READERS = (
    Reader("svmlight", ("data/*.txt",), (
        "data describe FILE --label first=9", "data convert FILE out", "score trees-run FILE --weights 0.5,0.5",
    ), 6),
    Reader("converted arrays", ("converted/*",), ("score neural-run converted --weights 0.5,0.5", "data describe converted"), 4),
    Reader("JSON lines", ("lists.jsonl",), ("score llm-run FILE --weights 0.5,0.5", "data describe FILE"), 5),
    Reader("JSON lines, training", ("lists.jsonl",), ("train llm.yaml --out out",), 1),
    Reader("parquet", ("lists.parquet",), ("score llm-run FILE --weights 0.5,0.5", "train parquet.yaml --plan"), 3),
    Reader("configs", ("*.yaml",), ("config check FILE", "train FILE --plan --out out"), 10),
    Reader("LightGBM models", ("base.txt",), ("train trees.yaml --plan --out out", "train trees.yaml --out out"), 3),
    Reader("weights", ("weights.jsonl",), ("score neural-run data/test.txt --weights-file FILE",), 5),
    Reader("prompts", ("prompts.jsonl",), ("generate llm-run --file FILE --max-new-tokens 2",), 3),
    Reader("ranker's run", ("neural-run/*", "neural-run/*/*"), (
        "score neural-run data/test.txt --weights 0.5,0.5", "profile neural-run --out out",
        "compare neural-run trees-run --out out", "train neural.yaml --resume --out neural-run",
    ), 8),
    Reader("choices", ("neural-run/choices/*.json", "neural-run/front.json"), (
        "score neural-run data/test.txt --weights mine", "score neural-run data/test.txt --weights 0.5,0.5 --expect",
        "choose neural-run --maximise first --name mine --measurements 4", "choose neural-run --like 1 --measurements 4",
    ), 4),
    Reader("run with trees", ("trees-run/*", "trees-run/*/*"), ("score trees-run data/test.txt --weights 0.5,0.5",), 3),
    Reader("language model's run", ("llm-run/*", "llm-run/*/*"), (
        "score llm-run lists.jsonl --weights 0.5,0.5", "generate llm-run x --max-new-tokens 2 --weights 1,0",
        "export llm-run out --weights 0.5,0.5", "compare llm-run llm-run --out out", "train llm.yaml --resume --out llm-run",
    ), 6),
    Reader("model folders", ("model/*",), ("generate llm-run x --max-new-tokens 2 --weights 1,0", "train llm.yaml --out out"), 3),
)  # fmt: skip


def _quick(reader: Reader) -> tuple[str, ...]:
    """The commands that neither train nor measure."""
    return tuple(command for command in reader.commands if "--plan" in command or command.split()[0] in QUICK)


def files_of(reader: Reader, samples: Path) -> list[Path]:
    """The files within `samples` that a reader's cases mutate, relative to it."""
    found = {file.relative_to(samples) for pattern in reader.files for file in samples.glob(pattern) if file.is_file()}
    return sorted(file for file in found if file.suffix != ".html" and file.suffix != ".png")


def prepared(number: int, seed: int, samples: Path, folder: Path, *, is_quick: bool = False) -> tuple[Reader, Path, list[str]]:
    """Mutates one file in `folder`, a copy of `samples`, as the case's number says.

    Returns: the reader, the file, and the words of the command.
    """
    random = Random(f"{seed} {number}")
    readers = [replace(reader, commands=_quick(reader)) for reader in READERS if _quick(reader)] if is_quick else READERS
    reader = random.choices(readers, [reader.share for reader in readers])[0]
    file = random.choice(files_of(reader, samples))
    kind = next(kind for pattern, kind in KINDS.items() if fnmatch(file.name, pattern))
    (folder / file).write_bytes(mutated((samples / file).read_bytes(), kind, random))
    return reader, file, random.choice(reader.commands).replace("FILE", str(file)).split()
