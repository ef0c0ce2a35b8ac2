"""Folds of a recipe, without its model."""

import pytest
import yaml

from emollm.crossval.folds import folds_of
from emollm.errors import UserError
from tests.fake_corpus import write_ravdess


def test_folds_follow_flags_and_files_in_their_order(small_run, tmp_path):
    config = ["--config", str(small_run.config)]
    assert folds_of(config).names == ["1", "2", "4", "5"]
    by_two = tmp_path / "two.yaml"
    by_two.write_text(
        yaml.safe_dump(
            {
                "model": {"hidden": 3},
                "data": {"protocol": {"class_path": "GroupedKFold", "init_args": {"k": 2}}},
            }
        )
    )
    assert folds_of([*config, "-c", str(by_two)]).names == ["1", "2"]
    flags = ["--data.protocol=GroupedKFold", "--data.protocol.init_args.k", "3", "--trainer.max_epochs", "1"]
    assert folds_of([*config, *flags]).names == ["1", "2", "3"]
    single = folds_of([*config, "--data.protocol=SpeakerSplit"])
    assert (single.names, single.flag) == (["1"], False)


def test_the_fold_and_the_options_of_a_recipes_other_protocol_do_not_count(small_run, tmp_path):
    third = tmp_path / "third.yaml"
    third.write_text(
        yaml.safe_dump(
            {
                "data": {
                    "protocol": {"class_path": "GroupedKFold", "init_args": {"k": 3, "fold": 3, "validation": 0}}
                }
            }
        )
    )
    config = ["--config", str(small_run.config), "--config", str(third)]
    assert folds_of([*config, "--data.protocol.k", "2"]).names == ["1", "2"]
    assert folds_of([*config, "--data.protocol", "GroupedKFold", "--data.protocol.k", "2"]).names == ["1", "2"]
    assert folds_of([*config, "--data.protocol", "LeaveOneSpeakerOut"]).names == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("part", "value"), [("data", "folds.yaml"), ("model", [1])])
def test_a_part_that_is_no_mapping_is_named(small_run, tmp_path, part, value):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({part: value}))
    with pytest.raises(UserError, match=rf"wrong.yaml: '{part}' must be a mapping of options, and is"):
        folds_of(["--config", str(small_run.config), "--config", str(wrong)])


def test_corpora_are_folds(small_run, tmp_path):
    other = write_ravdess(tmp_path / "other", emotions=5)
    table = tmp_path / "table.csv"
    table.write_text("path,label,speaker\n" + "".join(f"{file},happy,a\n" for file in other.glob("*/*.wav")))
    corpora = [
        {"class_path": "Ravdess", "init_args": {"root": str(small_run.folder / "ravdess")}},
        {"class_path": "Table", "init_args": {"file": str(table)}},
    ]
    config = tmp_path / "cross.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "model": {"labels": ["angry", "happy", "sad"]},
                "data": {"corpora": corpora, "protocol": {"class_path": "CrossCorpus"}, "other_labels": "drop"},
            }
        )
    )
    folds = folds_of(["--config", str(config)])
    assert folds.flag
    assert folds.names == ["ravdess", "table"]
