"""`moft new config ltr`: a config from the label columns of the data, which trains as it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from moft.config.yaml12 import load
from moft_ltr.data.converted.dataset_folder import QueryIndex, write_dataset

QUICK = [word for setting in ("task.base.epochs=1", "trainer.epochs=1", "profile.points=3") for word in ("--set", setting)]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a folder of svmlight files from the columns of its items, two to a query, and names it `shop`."""
    monkeypatch.chdir(tmp_path)

    def folder(rows, relevance=(1, 0), last=(), splits=("train", "vali", "test")):
        (tmp_path / "shop").mkdir(exist_ok=True)
        for number, split in enumerate(splits):
            lines = [
                f"{relevance[item % 2]} qid:{10 * number + item // 2} " + " ".join(f"{c}:{v}" for c, v in enumerate(row, start=1))
                for item, row in enumerate(rows)
            ]
            (tmp_path / "shop" / f"{split}.txt").write_text("\n".join([*lines, *last]) + "\n", encoding="utf-8")
        return "shop"

    return folder


@pytest.fixture
def written(moft):
    """The config that the command prints, as text and as a mapping."""

    def of(data, *more):
        said = moft("new", "config", "ltr", "--data", data, *more)
        assert (said.code, said.mistakes) == (0, [])
        return said.out, load(said.out)

    return of


def fetched(folder, labels, columns=6):
    """A folder of converted splits whose data names its labels, as a fetched dataset has them."""
    draws = np.random.default_rng(0)
    for split in ("train", "vali", "test"):
        features = draws.random((8, columns), dtype=np.float32)
        lists = QueryIndex(np.arange(0, 9, 2), np.arange(4), np.zeros(4, dtype=np.int64))
        folder.mkdir(parents=True, exist_ok=True)
        grades = np.tile(np.array([1, 0], dtype=np.float32), 4)
        write_dataset(folder / split, [(features, grades)], lists, columns=columns, source="made", labels=labels)
    return folder


def test_what_is_written_for_text_files_trains_as_it_is(moft, write, tmp_path):
    data = write([(0.3, 4, 0), (0.1, 0, 2), (0.2, 3, 3), (0.9, 9, 0)])
    assert moft("new", "config", "ltr", "--data", data, "--out", "shop.yaml").out.splitlines() == [
        "Wrote shop.yaml. Next:",
        "  moft train shop.yaml --plan",
        "  moft train shop.yaml",
    ]
    assert moft("config", "check", "shop.yaml").out == "shop.yaml: no mistakes.\n"
    said = moft("train", "shop.yaml", *QUICK)
    assert (said.code, (tmp_path / "runs" / "shop" / "front.json").exists()) == (0, True)


def test_with_enough_documents_a_policy_of_trees_is_proposed_and_trains(moft, write, written, tmp_path):
    draws = np.random.default_rng(0)
    data = write(draws.random((1000, 3)).round(3).tolist())
    text, config = written(data, "--label", "price=2", "--label", "quality=3")
    assert (config["method"]["name"], config["task"]["base"]) == ("cos-dpo-trees", {"name": "lambdamart"})
    assert {"loss", "width", "layers"} & {*config["task"], *config["task"]["objectives"]["price"]} == set()
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    assert moft("config", "check", "shop.yaml").out == "shop.yaml: no mistakes.\n"
    quick = [word for name in ("task.base.trees=3", "method.trees=3", "profile.points=3") for word in ("--set", name)]
    said = moft("train", "shop.yaml", *quick)
    assert (said.code, (tmp_path / "runs" / "shop" / "front.json").exists()) == (0, True)


def test_without_lightgbm_a_network_is_proposed(monkeypatch, write, written):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text, config = written(write(np.random.default_rng(0).random((1000, 3)).round(3).tolist()))
    assert (config["method"]["name"], config["task"]["base"]["name"]) == ("cos-dpo", "neural")
    assert "it needs the extra lightgbm" in text


def test_what_is_written_for_a_fetched_dataset_has_its_labels_and_trains(moft, tmp_path, monkeypatch):
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    fetched(tmp_path / "cache" / "data" / "shop", {"clicks": 5, "price, net": 6})
    assert moft("new", "config", "ltr", "--data", "shop", "--out", "shop.yaml").code == 0
    text = (tmp_path / "shop.yaml").read_text(encoding="utf-8")
    assert load(text)["task"]["objectives"]["clicks"]["column"] == "clicks"
    assert "CHANGE THIS" not in text
    assert moft("config", "check", "shop.yaml").code == 0
    assert moft("train", "shop.yaml", *QUICK).code == 0


def test_every_line_is_explained_by_itself_or_by_the_line_above(written, write):
    text, _ = written(write([(0.3, 4, 0), (0.1, 0, 2)]))
    lines = text.splitlines()
    alone = ("task:", "method:", "trainer:", "profile:", "  name: ltr", "  objectives:", "  evaluator:", "seed:")
    assert [line for line in lines if "#" not in line and not line.startswith(alone)] == []


def test_columns_are_guessed_and_said_to_be_where_nothing_names_them(written, write):
    text, config = written(write([(0.3, 0.5, 4, 1), (0.1, 0.4, 0, 1)]))
    assert list(config["task"]["objectives"]) == ["column-2", "column-3"]  # the last column is the same for all
    assert "CHANGE THIS" in text


def test_labels_that_the_user_names_are_the_objectives(written, write):
    text, config = written(write([(0.3, 4, 0), (0.1, 0, 2)]), "--label", "clicks=3", "--label", "dwell=2")
    assert {name: label["column"] for name, label in config["task"]["objectives"].items()} == {"clicks": 3, "dwell": 2}
    assert "CHANGE THIS" not in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 4), {}),
        ((0, 30), {"transform": "log1p"}),
        ((0.0, 900.5), {"transform": "log1p"}),
        ((1, 253), {"transform": "min-max", "loss": {"name": "listnet", "sharpness": 10}}),
        ((1, 9), {"transform": "min-max", "loss": {"name": "listnet", "sharpness": 10}}),
        ((80, 100), {"transform": "min-max", "loss": {"name": "listnet", "sharpness": 10}}),
        ((0.1, 0.9), {"transform": "min-max", "loss": {"name": "listnet", "sharpness": 10}}),
        ((-3, 2), {"transform": "min-max", "loss": {"name": "listnet", "sharpness": 10}}),
    ],
    ids=["grades", "counts", "money", "quality", "ratings", "scores", "shares", "negative"],
)
def test_the_transform_fits_the_labels(values, expected, written, write):
    _, config = written(write([(0.3, values[0]), (0.1, values[1])]), "--label", "label=2")
    assert config["task"]["objectives"]["label"] == {"column": 2, **expected}


def test_the_logarithm_of_money_is_proposed_also_where_it_is_little(written, write):
    rows = [(0.3, 0), (0.2, 0), (0.1, 0), (0.5, 0), (0.2, 110.6), (0.4, 12.25)]
    _, config = written(write(rows), "--label", "revenue=2")
    assert config["task"]["objectives"]["revenue"] == {"column": 2, "transform": "log1p"}


def test_no_logarithm_is_proposed_of_which_32_bits_keep_nothing(written, write):
    _, config = written(write([(0.3, 1_700_000_000), (0.1, 1_700_500_000)]), "--label", "fresh=2")
    assert config["task"]["objectives"]["fresh"]["transform"] == "min-max"


def test_labels_whose_digits_are_lost_are_refused_where_they_are_named_and_not_guessed(written, write, moft):
    folder = write([(0.3, 2, 1_700_000_000), (0.1, 0, 1_700_000_400)])
    said = moft("new", "config", "ltr", "--data", folder, "--label", "fresh=3")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "the label of 'fresh', 1700000400 in column 3 is 1.7" in said.mistakes[0]
    assert "column-3" not in written(folder)[1]["task"]["objectives"]


def test_queries_of_one_document_are_dropped_where_there_are_some(written, write):
    text, config = written(write([(0.3, 4), (0.1, 0)], last=["1 qid:99 1:0.5 2:1"]), "--label", "clicks=2")
    assert config["task"]["short_lists"] == "drop"
    assert "(3 here)" in text


def test_a_label_stands_in_for_relevance_that_ranks_nothing(moft, written, write):
    _, config = written(write([(0.3, 4), (0.1, 0)], relevance=(0, 0)), "--label", "clicks=2")
    assert config["task"]["main"] == {"column": 2, "transform": "none", "gain": "linear"}


def test_a_model_of_lightgbm_is_the_base_ranker(written, write, tmp_path):
    data = write([(0.3, 4), (0.1, 0)])
    model = (
        "tree\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\n\nTree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=0\n\nend of trees\n"
    )
    (tmp_path / "model.txt").write_text(model, encoding="utf-8")
    _, config = written(data, "--label", "clicks=2", "--model", "model.txt")
    assert config["task"]["base"] == {"name": "lightgbm", "path": "model.txt"}


def test_all_label_columns_of_mslr_leave_the_inputs(written, write):
    rows = [tuple([0.5] * 131 + [100, 5, 3, 1, 2]), tuple([0.2] * 131 + [90, 4, 0, 0, 0])]
    _, config = written(write(rows))
    assert list(config["task"]["objectives"])[:2] == ["query-url-clicks", "url-clicks"]
    _, config = written("shop", "--label", "clicks=135")
    assert config["task"]["exclude"] == [132, 133, 134, 136]


def test_labels_of_the_data_that_rank_nothing_are_left_out_and_named(written, tmp_path):
    folder = fetched(tmp_path / "data", {"clicks": 5, "bought": 6})
    for split in ("train", "vali", "test"):
        features = np.load(folder / split / "features.npy")
        features[:, 5] = 1
        np.save(folder / split / "features.npy", features)
    text, config = written(folder)
    assert list(config["task"]["objectives"]) == ["clicks"]
    assert "above another: bought." in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "away"], "'away': no such file or folder"),
        (["--data", "shop/train.txt"], "shop/train.txt: is not a folder"),
        (["--data", "shop", "--label", "clicks=9"], "--label clicks: there is no column 9; the file has columns 1 to 2"),
        (["--data", "shop", "--label", "clicks=dwell"], "--label clicks=dwell: 'dwell' is not the number of a column"),
        (["--data", "shop", "--label", "same=1"], "the same value for the label 'same' in column 1"),
        (["--data", "shop", "--model", "none.txt"], "none.txt: cannot read the LightGBM model"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(words, told, moft, write):
    write([(0.3, 4), (0.3, 0)])
    said = moft("new", "config", "ltr", *words)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert re.search(re.escape(told), said.mistakes[0])


def test_data_without_a_label_that_ranks_is_refused(moft, write):
    said = moft("new", "config", "ltr", "--data", write([(0.3, 4), (0.3, 4)]))
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "the same value in any label column" in said.mistakes[0]


def test_scores_that_are_skewed_but_never_zero_are_no_counts(written, write):
    """The quality scores of MSLR: from 1 to 254, half of them below 8."""
    rows = [(0.1, value) for value in (1, 2, 2, 3, 5, 7, 9, 254)]
    _, config = written(write(rows), "--label", "quality=2")
    assert config["task"]["objectives"]["quality"]["transform"] == "min-max"


def test_one_column_cannot_be_two_objectives(moft, write, tmp_path):
    data = write([(0.3, 4, 0), (0.1, 0, 2)])
    said = moft("new", "config", "ltr", "--data", data, "--label", "x=3", "--label", "y=3")
    assert (said.code, said.mistakes) == (
        2,
        ["moft: error: --label y=3: is the column of 'x', too; give each objective its own column."],
    )
    folder = fetched(tmp_path / "named", {"clicks": 5})
    said = moft("new", "config", "ltr", "--data", folder, "--label", "x=5", "--label", "y=clicks")
    assert said.code == 2
    assert "--label y=clicks: is the column of 'x', too" in said.mistakes[0]


def test_a_column_of_thousands_of_digits_is_no_number_of_a_column(moft, write):
    said = moft("new", "config", "ltr", "--data", write([(0.3, 4), (0.1, 0)]), "--label", f"x={'9' * 5000}")
    assert said.code == 2
    assert "is not the number of a column" in said.mistakes[0]


@pytest.mark.filterwarnings("error")
def test_labels_near_the_end_of_32_bits_give_no_warning(written, write):
    _, config = written(write([(0.3, 3e38), (0.1, 0), (0.2, 3e38), (0.4, 0)]), "--label", "label=2")
    assert config["task"]["objectives"]["label"]["transform"] == "log1p"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of queries with text ids, text, categories, missing features and labels, named `all.csv`."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    parts = ["train"] * 80 + ["dev"] * 40 + ["test"] * 40
    rows = [
        f"q{row // 4},{row},{draws.random():.3f},{draws.random():.3f},{'' if row % 3 else 1},{'uv'[row % 2]},blue,"
        f"{draws.integers(0, 9)},{'' if row % 5 == 0 else draws.integers(0, 3)},{part}"
        for row, part in enumerate(parts)
    ]
    (tmp_path / "all.csv").write_text("\n".join(["search,sku,a,b,lost,kind,title,clicks,grade,part", *rows]) + "\n")
    return "all.csv"


@pytest.mark.parametrize("split", [[], ["--set", "split=part"], ["--set", "task.split={train: 0.6, dev: 0.2, test: 0.2}"]])
def test_what_is_written_for_one_table_trains_as_it_is(split, moft, written, table, tmp_path):
    reading = ["--set", "query=search", "--set", "item=sku", "--set", "categorical=[kind]", *split]
    text, config = written(table, "--label", "clicks=clicks", "--label", "grade=grade", *reading)
    task = config["task"]
    assert (task["query"], task["item"], task["categorical"]) == ("search", "sku", ["kind"])
    assert task["objectives"]["clicks"]["column"] == "clicks"
    assert "20% missing" in text
    assert task["main"]["column"] == "clicks", "a table has no relevance beside its columns"
    assert "title" in task["exclude"]
    assert "lost" not in task["exclude"], "the network reads missing values"
    (tmp_path / "all.yaml").write_text(text)
    said = moft("train", "all.yaml", *QUICK, "--out", "run")
    assert said.code == 0
    assert all(": note: grade: " in line for line in said.mistakes)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--label", "c=click"], "--label c: there is no column 'click'; the nearest are 'clicks'"),
        (["--set", "query=serch"], "query: there is no column 'serch'; the nearest are 'search'"),
        (["--set", "width=3"], "--set width=3: is none of the settings that say how data is read: query=NAME"),
        (["--set", "categorical=kind"], "--set categorical=kind: is none of"),
        (["--set", "query"], "--set 'query' is not of the form NAME=VALUE"),
        (["--set", "split={train: 2}"], "[task.split] 'train' has 2, not 0 to 1"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(words, told, moft, table):
    given = [] if any("query" in word for word in words) else ["--set", "query=search"]
    said = moft("new", "config", "ltr", "--data", table, *given, *words)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
