"""The reader of duels."""

from moft_rival import plugin
from moft_rival.reader import Rival

from moft.testing import check_plugin, check_reader


def test_contract(tmp_path):
    check_plugin(plugin)
    (tmp_path / "duels.tsv").write_text("Why?\tSo.\tNo.\tsecond\n")
    reader = Rival(path=str(tmp_path / "duels.tsv"))
    check_reader(reader)
    assert next(reader.lists(None)).labels == {"better": [0.0, 1.0]}
