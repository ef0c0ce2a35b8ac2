"""Which head the probe answers with: chosen as scikit-learn would, and by nobody who is tested."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emollm import factory
from emollm.__main__ import main
from emollm.data.augment import Augmentation
from emollm.data.corpora import Ravdess
from emollm.data.protocols.speakers import share_out
from emollm.errors import UserError
from emollm.modules.choice import Choice, Chosen
from emollm.modules.ensemble import Ensemble, MLPs
from emollm.modules.logistic import Logistic
from tests.fake_corpus import write_ravdess
from tests.modules.test_probe import build, fit

CHOICE = {"groups": 3, "l2": [1.0, 30.0], "dropout": [0.1, 0.4]}
MEMBERS = {"members": 2, "hidden": 8, "epochs": 2, "batch_size": 4}
SPEAKERS = [f"c/{name}" for name in "abcdefg"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = write_ravdess(tmp_path_factory.mktemp("tones") / "ravdess", ("01", "02", "03", "04", "05", "06", "07"))
    return Ravdess(str(root))


def noisy(rows=210, width=12):
    """Statistics that tell the label badly, and the speaker well."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(rows) % 3
    speakers = [SPEAKERS[row % 7] for row in range(rows)]
    offsets = 2 * torch.randn(7, width, generator=generator)
    means = 0.4 * torch.randn(3, width, generator=generator)
    noise = torch.randn(rows, width, generator=generator)
    statistics = noise + means[targets] + offsets[torch.arange(rows) % 7]
    return statistics, targets, speakers, torch.ones(rows, dtype=torch.bool)


def chosen(**changes):
    ensemble = Ensemble(members=2, hidden=8, epochs=3, batch_size=32)
    return Chosen(12, ["a", "b", "c"], Choice(**{**CHOICE, **changes}), ensemble)


def test_the_figures_are_those_of_scikit_learn():
    statistics, targets, speakers, plain = noisy()
    head = chosen(dropout=[])
    head.choose(statistics, targets, speakers, plain)
    groups = [share_out(speakers, 3, 0)[speaker] for speaker in speakers]
    for l2 in CHOICE["l2"]:
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1 / l2, tol=1e-9, max_iter=5000))
        inputs = statistics.double().numpy()
        said = cross_val_predict(pipeline, inputs, targets.numpy(), groups=groups, cv=LeaveOneGroupOut())
        theirs = recall_score(targets, said, average="macro")
        assert 0.3 < theirs < 0.8, "neither chance nor certain"
        assert head.found[f"logistic regression, l2 {l2:g}"] == pytest.approx(theirs, abs=1e-6)
    best = max(head.found, key=head.found.get)
    assert next(iter(head.found)) == best == f"logistic regression, l2 {head.answering.l2:g}"


def test_no_head_is_fitted_on_whom_it_is_tried_on(monkeypatch):
    """Each row carries its number where the standardisation is made; every fit is given as many rows as it was."""
    statistics, targets, speakers, plain = noisy()
    statistics[:, -1] = torch.arange(len(targets))
    fitted, standardised = [], []
    for kind in (Logistic, MLPs):

        def spy(self, inputs, targets, optimizer, real=kind.fit):
            fitted.append(len(targets))
            return real(self, inputs, targets, optimizer)

        monkeypatch.setattr(kind, "fit", spy)

    def scale(known):
        standardised.append(known[:, -1].tolist())
        return known.mean(0), known.std(0)

    monkeypatch.setattr("emollm.modules.choice.mean_and_scale", scale)
    chosen().choose(statistics, targets, speakers, plain)
    group_of = share_out(speakers, 3, 0)
    kept = [[float(n) for n, name in enumerate(speakers) if group_of[name] != group] for group in (1, 2, 3)]
    assert standardised == kept * 4
    assert fitted == [len(part) for part in kept] * 4


def test_copies_are_trained_on_and_not_measured():
    statistics, targets, speakers, plain = noisy()
    both = torch.cat([statistics, statistics.roll(3, dims=1)]), targets.repeat(2), speakers * 2
    alone, measured, trained = (chosen(dropout=[]) for _ in range(3))
    alone.choose(statistics, targets, speakers, plain)
    measured.choose(*both, plain.repeat(2))
    trained.choose(*both, torch.cat([plain, ~plain]))
    assert trained.found != alone.found, "they change what is learnt"
    assert trained.found != measured.found, "and would change what is measured"


def test_a_figure_does_not_hang_on_what_else_is_tried():
    found = []
    for l2 in ([], [1.0], [1.0, 10.0]):
        head = chosen(l2=l2)
        torch.manual_seed(3)
        head.choose(*noisy())
        found.append({name: ua for name, ua in head.found.items() if "MLPs" in name})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(("none", "made"), [("dropout", "logistic"), ("l2", "mlps")])
def test_only_what_may_answer_is_made(none, made):
    head = chosen(**{none: []})
    assert {name.partition(".")[0] for name in head.state_dict()} == {"mlps_answer", made}
    assert head(torch.zeros(2, 12)).shape == (2, 3)


@pytest.mark.parametrize(("speaker_range", "views"), [(None, 1), ({"own": 0.5}, 2)])
def test_a_fit_tells_what_it_chose(tiny_whisper, corpus, capsys, speaker_range, views):
    module = build(tiny_whisper, choice=CHOICE, ensemble=MEMBERS, speaker_range=speaker_range)
    asked, real = [], module.head.choose
    module.head.choose = lambda *given: (asked.append(given), real(*given))
    fit(module, corpus)
    ((statistics, _, speakers, plain),) = asked
    assert len(statistics) == len(speakers) == len(plain) == views * plain.sum()
    assert set(module.found) == {
        "logistic regression, l2 1",
        "logistic regression, l2 30",
        "2 MLPs, dropout 0.1",
        "2 MLPs, dropout 0.4",
    }
    assert list(module.found.values()) == sorted(module.found.values(), reverse=True)
    first = next(iter(module.found))
    assert module.specification()["chosen"] == module.found
    assert module.notes() == [f"The head is {first}: the best of 4 by the training speakers alone."]
    assert f"Head: {first} (" in capsys.readouterr().out


def test_copies_at_other_speeds_are_not_plain(tiny_whisper, corpus):
    module = build(tiny_whisper, choice=CHOICE, ensemble=MEMBERS)
    asked, real = [], module.head.choose
    module.head.choose = lambda *given: (asked.append(given), real(*given))
    fit(module, corpus, augmentation=Augmentation(speed=[0.9, 1.0, 1.1]))
    ((statistics, _, _, plain),) = asked
    assert len(statistics) == 3 * plain.sum() == len(plain)


@pytest.mark.parametrize("wins", [Logistic, MLPs])
def test_what_is_chosen_is_fitted_as_without_a_choice(tiny_whisper, corpus, tmp_path, monkeypatch, wins):
    """And it goes through a checkpoint, an export and a run that is resumed, with what was found."""
    real, kind = Chosen._try, {Logistic: float, MLPs: Ensemble}[wins]
    monkeypatch.setattr(
        Chosen, "_try", lambda self, setting, *rest: real(self, setting, *rest) + 2 * isinstance(setting, kind)
    )
    choice = CHOICE | ({"l2": [1.0]} if wins is Logistic else {"dropout": [0.1]})
    torch.manual_seed(0)
    module = build(tiny_whisper, choice=choice, ensemble=MEMBERS)
    trainer, data = fit(module, corpus)
    assert trainer.global_step > 0
    assert isinstance(module.head.answering, wins)
    torch.manual_seed(0)
    direct = build(tiny_whisper, ensemble={**MEMBERS, "dropout": 0.1} if wins is MLPs else None)
    fit(direct, corpus)
    batch = next(iter(data.heard_dataloader(data.parts.train)))
    expected = direct.eval().score(batch).log_scores
    assert torch.equal(module.eval().score(batch).log_scores, expected)
    trainer.save_checkpoint(tmp_path / "probe.ckpt")
    assert main(["export", str(tmp_path / "probe.ckpt"), "--output", str(tmp_path / "export")]) == 0
    for stored in ("probe.ckpt", "export"):
        again = factory.load(tmp_path / stored).eval()
        assert torch.equal(again.score(batch).log_scores, expected)
        assert again.found == again.specification()["chosen"] == module.found
    resumed = build(tiny_whisper, choice=choice, ensemble=MEMBERS)
    fit(resumed, corpus, ckpt_path=tmp_path / "probe.ckpt")
    assert resumed.found == module.found
    assert torch.equal(resumed.eval().score(batch).log_scores, expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"groups": 1}, "at least 2"),
        ({"l2": [1.0], "dropout": []}, "nothing to choose from"),
        ({"l2": [0.0]}, r"model\.choice\.l2 is 0"),
        ({"dropout": [1.0]}, r"model\.choice\.dropout is \[1\.0\]"),
        ({"l2": [1.0, 1.0]}, r"model\.choice\.l2 is \[1\.0, 1\.0\]: name each value once"),
    ],
)
def test_a_choice_that_is_none_is_refused(changes, says):
    with pytest.raises(UserError, match=says):
        Choice(**changes)


class Nameless(Ravdess):
    """One speaker is not known."""

    def read(self):
        return super().read().map(lambda row: replace(row, speaker=None) if row.speaker == "03" else row)


def test_speakers_that_do_not_go_with_it_are_refused_before_anything_is_heard(tiny_whisper, corpus):
    few, nameless = (build(tiny_whisper, choice={"groups": n}, ensemble=MEMBERS) for n in (7, 3))
    few.hidden_states = nameless.hidden_states = None
    with pytest.raises(UserError, match=r"model\.choice\.groups is 7, and the training part has . speakers"):
        fit(few, corpus)
    with pytest.raises(UserError, match=r"model\.choice groups .* by speaker, and some .* have none"):
        fit(nameless, Nameless(corpus.root))
    with pytest.raises(UserError, match=r"does not go with model\.speaker_range\.borrowed"):
        fit(build(tiny_whisper, choice=CHOICE, speaker_range={"borrowed": 0.5}), corpus)


def test_speakers_who_were_not_heard_are_told(tiny_whisper, corpus):
    with pytest.raises(UserError, match=r"[12] speakers of the training part were heard, and .*groups is 3"):
        fit(build(tiny_whisper, choice=CHOICE, ensemble=MEMBERS), corpus, limit_train_batches=1)
