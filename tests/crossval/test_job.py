"""One fold as two processes."""

import pytest

from emollm.crossval.job import Job


@pytest.fixture
def calls(monkeypatch):
    """Processes that fail at once, with their arguments."""
    calls = []
    monkeypatch.setattr(
        "emollm.crossval.job.subprocess.Popen",
        lambda args, **more: calls.append((args, more)) or type("P", (), {"wait": lambda self: 1})(),
    )
    return calls


def test_what_is_stopped_begins_nothing(tmp_path, calls):
    job = Job("1", None, tmp_path, True, [], [])
    job.stop()
    assert not job.run()
    assert not calls


def test_folds_with_names_alike_have_folders_of_their_own(tmp_path):
    names = ["a/b", "a_b", "a b", "a%2Fb"]
    assert len({Job(name, None, tmp_path, True, [], []).folder for name in names}) == len(names)


def test_a_seed_is_a_folder_and_three_flags(tmp_path, calls):
    job = Job("a/b", 7, tmp_path, True, ["--config", "x.yaml"], [], lock=3)
    assert not job.run()
    assert job.folder == tmp_path / "fold_a%2Fb_seed_7"
    assert job.name == "fold a/b, seed 7"
    ((args, more),) = calls
    assert more["pass_fds"] == (3,)
    for seed in ("--seed_everything=7", "--model.seed=7", "--data.seed=7"):
        assert args.index("x.yaml") < args.index(seed)
    assert "--data.protocol.init_args.fold=a/b" in args


@pytest.mark.parametrize(
    ("fold", "flag"),
    [("1", "1"), ("010", '"010"'), ("1_0", '"1_0"'), ("Ses01", "Ses01"), ("yes", '"yes"'), ("[", '"["')],
)
def test_folds_with_names_like_numbers_keep_them(tmp_path, calls, fold, flag):
    Job(fold, None, tmp_path, True, [], []).run()
    ((args, _),) = calls
    assert f"--data.protocol.init_args.fold={flag}" in args
