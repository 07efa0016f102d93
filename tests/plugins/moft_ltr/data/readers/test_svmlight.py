"""Reading svmlight: what is right reads exactly, what is wrong names file and line."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.data.readers.svmlight import LONGEST_LINE, MAX_COLUMNS, convert

GOOD = "2 qid:10 1:0.5 3:-1\n0 qid:10 2:1e-3\n1 qid:7 1:4\n"


def read(tmp_path: Path, text: str | bytes, **settings: int) -> Dataset:
    path = tmp_path / "data.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    convert(path, tmp_path / "out", **settings)
    return open_dataset(tmp_path / "out", tmp_path)


def fault(tmp_path: Path, text: str | bytes, **settings: int) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.txt"]  # nothing half-written stays
    return message.removeprefix(f"{tmp_path / 'data.txt'}:")


def random_text(lists: int, columns: int = 5) -> tuple[str, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 6, lists)
    features = generator.standard_normal((lengths.sum(), columns)).astype(np.float32)
    features[generator.random(features.shape) < 0.3] = 0
    qids = np.repeat(np.arange(lists) * 3, lengths)
    rows = [
        f"{i % 5} qid:{qid} " + " ".join(f"{c + 1}:{value:.9g}" for c, value in enumerate(row) if value)
        for i, (qid, row) in enumerate(zip(qids, features, strict=True))
    ]
    return "\n".join(rows) + "\n", features, lengths


def test_sparse_features_relevance_and_lists_are_read(tmp_path: Path) -> None:
    data = read(tmp_path, GOOD)
    assert data.features.tolist() == np.float32([[0.5, 0, -1], [0, 1e-3, 0], [4, 0, 0]]).tolist()
    assert data.relevance.tolist() == [2, 0, 1]
    assert (data.offsets.tolist(), data.qids.tolist(), data.lines.tolist()) == ([0, 2, 3], [10, 7], [1, 3])


def test_comments_blank_lines_tabs_and_a_missing_last_line_end_change_only_line_numbers(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    (tmp_path / "plain").mkdir()
    plain = read(tmp_path / "plain", GOOD)
    data = read(tmp_path, f"# head_er\n\n{lines[0]} # doc_id = ü\r\n\n{lines[1]}\t\n   \n # x\n{lines[2]}")
    assert data.features.tolist() == plain.features.tolist()
    assert data.offsets.tolist() == plain.offsets.tolist()
    assert data.lines.tolist() == [3, 8]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()).qids.tolist() == [10, 7]


@pytest.mark.parametrize("block", [1, 50, 1000, 1 << 20])
def test_blocks_of_any_size_read_the_same(tmp_path: Path, block: int) -> None:
    text, features, lengths = random_text(40)
    data = read(tmp_path, text, block=block)
    assert np.array_equal(data.features, features)
    assert np.diff(data.offsets).tolist() == lengths.tolist()
    assert data.lines.tolist() == (data.offsets[:-1] + 1).tolist()
    assert data.qids.tolist() == (np.arange(40) * 3).tolist()


def test_a_column_that_first_appears_late_widens_every_row(tmp_path: Path) -> None:
    data = read(tmp_path, "1 qid:1 1:1\n1 qid:2 7:2\n", block=1)
    assert data.features.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 2]]


def test_a_trailing_column_of_zeros_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "1 qid:1 1:1 4:0\n").features.tolist() == [[1, 0, 0, 0]]


FAULTS = {
    "relevance that is text": ("x qid:1 1:2", "'x' is not a number; the relevance must be one"),
    "no relevance": ("qid:1 1:2", "'qid:1' is not a number"),
    "value that is text": ("1 qid:1 1:2 2:abc", "'abc' is not a number; the value of column 2 must be one"),
    "value with a unit": ("1 qid:1 1:2cm", "'2cm' is not a number"),
    "value with an underscore": ("1 qid:1 1:1_0", "'1_0' is not a number"),
    "missing qid": ("1 1:2", "'1:2' is not a qid; a line is `relevance qid:N"),
    "nothing but relevance": ("1", "the qid is missing; a line is `relevance qid:N"),
    "qid in the wrong place": ("1 1:2 qid:3", "'1:2' is not a qid"),
    "qid that is text": ("1 qid:abc 1:2", "'qid:abc' is not a qid; a qid is a 64-bit integer"),
    "qid that is a fraction": ("1 qid:1.5 1:2", "'qid:1.5' is not a qid"),
    "qid that is empty": ("1 qid: 1:2", "'qid:' is not a qid"),
    "qid beyond 64 bits": (f"1 qid:{2**63} 1:2", "is not a qid; a qid is a 64-bit integer, such as qid:17"),
    "index that falls": ("1 qid:1 3:1 2:1", "index 2 after index 3; indices must ascend within a line, from 1"),
    "index twice": ("1 qid:1 3:1 3:1", "index 3 after index 3; indices must ascend"),
    "index zero": ("1 qid:1 0:1", "index 0 after index 0; indices must ascend within a line, from 1"),
    "negative index": ("1 qid:1 -1:1", "index -1 after index 0"),
    "huge index": (f"1 qid:1 {MAX_COLUMNS + 1}:1", f"to at most {MAX_COLUMNS}"),
    "index beyond 64 bits": (f"1 qid:1 {10**30}:1", f"to at most {MAX_COLUMNS}"),
    "qid of thousands of digits": (f"1 qid:{'1' * 5000} 1:2", "is not a qid; a qid is a 64-bit integer"),
    "index of thousands of digits": (f"1 qid:1 {'1' * 5000}:1", "is not a pair index:value"),
    "very long value": (f"1 qid:1 1:0.{'1' * 200_000}", "'1:0.111111111111111111111111111111111111...' has 200,004 characters"),
    "very long word": ("x" * 200_000, "has 200,000 characters"),
    "carriage return within": (
        "1 qid:1 1:1\r0 qid:1 1:2",
        "has a carriage return within a line; lines must end with a line feed",
    ),
    "index that is text": ("1 qid:1 a:1", "'a:1' is not a pair index:value"),
    "pair without colon": ("1 qid:1 5", "'5' is not a pair index:value"),
    "pair without value": ("1 qid:1 5:", "'5:' is not a pair index:value"),
    "pair without index": ("1 qid:1 :5", "':5' is not a pair index:value"),
    "two colons": ("1 qid:1 1:2:3", "'2:3' is not a number; the value of column 1"),
    "second qid": ("1 qid:1 qid:2 1:1", "'qid:2' is not a pair index:value"),
    "nan value": ("1 qid:1 1:nan", "'nan' is not a finite 32-bit number; the value of column 1 must be one"),
    "infinite value": ("1 qid:1 2:-inf", "'-inf' is not a finite"),
    "value beyond 32 bits": ("1 qid:1 2:1e40", "'1e40' is not a finite 32-bit number"),
    "nan relevance": ("nan qid:1 1:1", "'nan' is not a finite 32-bit number; the relevance must be one"),
    "relevance beyond 32 bits": ("1e40 qid:1 1:1", "'1e40' is not a finite 32-bit number; the relevance must be one"),
}


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_its_line_what_was_found_and_what_is_allowed(tmp_path: Path, name: str, block: int) -> None:
    line, expected = FAULTS[name]
    message = fault(tmp_path, f"# comment\n1 qid:4 1:1 2:1\n{line}\n0 qid:5 1:1\nbroken too\n", block=block)
    assert message.startswith("3: ")
    assert expected in message


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_a_qid_that_returns_is_out_of_order(tmp_path: Path, block: int) -> None:
    message = fault(tmp_path, "0 qid:10 1:1\n0 qid:13 1:1\n0 qid:13 1:2\n0 qid:10 1:1\n", block=block)
    assert message == "4: qid 10 appears again after qid 13; all documents of a query must be on consecutive lines."


def test_qid_missing_on_every_line_is_a_fault_of_the_first(tmp_path: Path) -> None:
    assert fault(tmp_path, "1 1:2\n2 1:2\n").startswith("1: '1:2' is not a qid")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_a_file_without_items_is_refused(tmp_path: Path, text: str) -> None:
    assert "has no documents; a line is `relevance qid:N" in fault(tmp_path, text)


@pytest.mark.parametrize("tail", [b"1 qid:1 1:2 \x00\n", b"1 qid:1 1:2 \xff\xfe # \xff\n"])
def test_a_binary_file_is_refused(tmp_path: Path, tail: bytes) -> None:
    assert fault(tmp_path, GOOD.encode() + tail).startswith("4: is not UTF-8 text; a line is")


def test_a_compressed_file_is_refused_by_content(tmp_path: Path) -> None:
    assert "is compressed, which is not supported; decompress it with" in fault(tmp_path, b"\x1f\x8b\x08\x00rest")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.txt: cannot be read: No such file"):
        convert(tmp_path / "gone.txt", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_label_beyond_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(GOOD)
    with pytest.raises(DataError, match="label 'clicks' is column 9; the data has columns 1 to 3"):
        convert(tmp_path / "data.txt", tmp_path / "out", labels={"clicks": 9})


@pytest.fixture
def small_files_only() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("block", [2000, 1 << 20])
def test_when_the_file_system_refuses_nothing_stays(tmp_path: Path, request: pytest.FixtureRequest, block: int) -> None:
    text, _, _ = random_text(1500)
    (tmp_path / "data.txt").write_text(text)
    request.getfixturevalue("small_files_only")
    with pytest.raises(DataError, match=r"out: cannot be written: .*Nothing was left there"):
        convert(tmp_path / "data.txt", tmp_path / "out", block=block)
    assert [path.name for path in tmp_path.iterdir()] == ["data.txt"]


def test_real_data_reads_whole(tmp_path: Path, mslr: Path) -> None:
    path = mslr / "test.txt"
    convert(path, tmp_path / "out", block=1 << 20)
    data = open_dataset(tmp_path / "out", tmp_path)
    lines = path.read_text().splitlines()
    assert data.features.shape == (len(lines), 136)
    for item in (0, len(lines) // 2, len(lines) - 1):
        fields = lines[item].split()
        assert data.relevance[item] == float(fields[0])
        assert data.features[item].tolist() == [np.float32(pair.split(":")[1]) for pair in fields[2:]]


def test_a_line_that_never_ends_is_not_read_whole(tmp_path: Path) -> None:
    message = fault(tmp_path, b"1 qid:1 1:1\n" + b"x" * (LONGEST_LINE + 100), block=5)
    assert message.startswith("2: has more than 8 MB; a line is `relevance qid:N")


def test_old_line_ends_are_told_and_those_of_windows_are_read(tmp_path: Path) -> None:
    assert fault(tmp_path, "1 qid:1 1:1\r0 qid:1 1:2\r").startswith("1: has a carriage return within a line")
    assert read(tmp_path, "1 qid:1 1:1\r\n0 qid:1 1:2\r\n").features.tolist() == [[1], [2]]
    assert read(tmp_path, "1 qid:1 1:1 # a\rb\n0 qid:1 1:2\r").features.tolist() == [[1], [2]]


def test_a_long_comment_and_a_query_of_thousands_of_documents_are_read(tmp_path: Path) -> None:
    text = "1 qid:1 1:1 #" + "x" * 300_000 + "\n" + "".join(f"0 qid:2 1:{number}\n" for number in range(3000))
    data = read(tmp_path, text)
    assert np.diff(data.offsets).tolist() == [1, 3000]


def test_a_comment_may_be_in_any_encoding(tmp_path: Path) -> None:
    text = b"# caf\xe9\n1 qid:4 1:1 # cr\xe8me # \xff\n0 qid:4 1:2\n2 qid:5 1:3 # caf\xe9\n"
    (tmp_path / "data.txt").write_bytes(text)
    convert(tmp_path / "data.txt", tmp_path / "out")
    found = open_dataset(tmp_path / "out", tmp_path)
    assert np.asarray(found.features).flatten().tolist() == [1, 2, 3]
    assert found.lines.tolist() == [2, 4]
    (tmp_path / "other").mkdir()
    assert fault(tmp_path / "other", text + b"1 qid:6 1:1\xe9 # caf\xe9\n").startswith("5: is not UTF-8 text; a line is")
