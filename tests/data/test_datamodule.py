"""The data module: labels, transcripts, empty parts, and the same figures with and without the feature store."""

from types import SimpleNamespace

import pandas as pd
import pytest
import soundfile
import torch
from lightning.pytorch import LightningModule, Trainer

from emollm.data.corpora import Ravdess
from emollm.data.datamodule import EmotionData
from emollm.data.features import FeatureCache
from emollm.data.protocols import FoldColumn
from emollm.errors import UserError
from emollm.modules.probe import Probe
from tests.fake_corpus import write_ravdess
from tests.scribe import Scribe
from tests.small import LABELS, run


@pytest.fixture
def corpus(tmp_path):
    return Ravdess(str(write_ravdess(tmp_path / "ravdess", emotions=5)))


def data_of(*corpora, labels=LABELS, **options):
    options = {"other_labels": "drop", "num_workers": 0, "batch_size": 2} | options
    return EmotionData(list(corpora), options.pop("protocol", FoldColumn("emobox_fold")), labels, **options)


def seconds(utterance):
    return soundfile.info(utterance.path).duration


class Deaf(LightningModule):
    """A module that needs text alone, or nothing."""

    needs_audio = False

    def __init__(self, needs_transcript=False, needs_labels=True):
        super().__init__()
        self.needs_transcript = needs_transcript
        self.needs_labels = needs_labels


def set_up(data, module, stage="fit", **options):
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)
    trainer.strategy.connect(module)
    trainer.strategy._lightning_module = module
    module.trainer = data.trainer = trainer
    data.setup(stage)
    return data


def test_labels_outside_the_set_are_dropped_or_an_error(corpus):
    with pytest.warns(UserWarning, match=r"drop leaves out \d+ of \d+ utterances: .*\d+ calm"):
        dropped = set_up(data_of(corpus), Deaf()).parts
    assert {row.label for row in dropped.train + dropped.test} == set(LABELS)
    with pytest.raises(UserError, match=r"'calm' is none of angry, happy, sad.*data\.other_labels"):
        set_up(data_of(corpus, other_labels="error"), Deaf())


@pytest.mark.parametrize("other_labels", ["drop", "error"])
def test_a_fit_tells_of_labels_that_nobody_can_be_heard_in(corpus, recwarn, other_labels):
    """The corpus has neutral, calm, happy, sad and angry."""
    labels = ["angry", "fear", "rest=happy+sad+neutral+calm", "gone=disgust+surprise"]
    data = data_of(corpus, labels=labels, other_labels=other_labels)
    set_up(data, Deaf(needs_labels=False))
    set_up(data_of(corpus, labels=labels, other_labels=other_labels), Deaf(), stage="test")
    assert not [w for w in recwarn if "labelled" in str(w.message)], "only where labels are learnt"
    data = data_of(corpus, labels=labels, other_labels=other_labels)
    with pytest.warns(UserWarning, match="No training utterance is labelled fear or gone, .*out of model.labels"):
        set_up(data, Deaf())
    recwarn.clear()
    set_up(data_of(corpus, labels=["angry", "rest=happy+sad+neutral+calm"], other_labels=other_labels), Deaf())
    assert not recwarn


def test_labels_are_said_in_the_words_of_the_label_set(corpus):
    labels = ["joy=happy", "rest=neutral+calm+sad", "anger"]
    parts = set_up(data_of(corpus, labels=labels, other_labels="error"), Deaf()).parts
    assert {row.label for row in parts.train} == {"joy", "rest", "anger"}


def test_a_run_that_needs_no_labels_takes_unlabelled_speech(corpus):
    data = data_of(corpus, other_labels="error")
    set_up(data, Deaf(needs_labels=False))
    assert len(data.parts.train)


def test_missing_transcripts_are_one_error_with_ways_out(corpus, monkeypatch):
    from dataclasses import replace

    read = corpus.read
    monkeypatch.setattr(corpus, "read", lambda: read().map(lambda row: replace(row, transcript=None)))
    with pytest.raises(UserError) as caught:
        set_up(data_of(corpus), Deaf(needs_transcript=True))
    text = str(caught.value)
    assert text.count("data.transcriber") == 1, "told once for all utterances"
    assert "9 ×" in text
    set_up(data_of(corpus), Deaf(needs_transcript=False))


def test_missing_transcripts_are_written_before_the_run(corpus, monkeypatch, tmp_path, capsys):
    """A model that reads alone then gets no sound; what cannot be transcribed is a broken row."""
    from dataclasses import replace

    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    scribe, read = Scribe.stand_in(monkeypatch), corpus.read
    monkeypatch.setattr(corpus, "read", lambda: read().map(lambda row: replace(row, transcript=None)))
    options = {"transcriber": "packaged:whisper-base"}
    data = data_of(corpus, **options)
    scribe.refuses = {min(round(seconds(row) * 16_000) for row in data.read().validation)}
    set_up(data, Deaf(needs_transcript=True))
    assert "9 of 9 are written by packaged:whisper-base" in capsys.readouterr().out
    assert all(text.endswith("samples") for text in data.parts.train.values("transcript"))
    batches = [*data.train_dataloader(), *data.val_dataloader()]
    assert all(batch.waveforms is None for batch in batches)
    assert sum(map(len, batches)) == 8
    assert [reason[:21] for batch in batches for _, reason in batch.broken] == ["cannot be transcribed"]
    scribe.refuses = set()
    set_up(data_of(corpus, **options), Deaf(needs_transcript=True))
    assert "1 of 9 are written" in capsys.readouterr().out, "the others are kept"
    set_up(data_of(corpus, **options), Deaf(needs_transcript=True), "test")
    assert "3 of 3 are written" in capsys.readouterr().out


def test_features_are_kept_where_transcripts_had_to_be_written(corpus, tiny_wavlm, tmp_path, monkeypatch):
    from dataclasses import replace

    from emollm.models.backbones import BackboneSpec

    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    Scribe.stand_in(monkeypatch)
    read = corpus.read
    monkeypatch.setattr(corpus, "read", lambda: read().map(lambda row: replace(row, transcript=None)))
    monkeypatch.setattr(Probe, "needs_transcript", True)
    data = data_of(corpus, transcriber="packaged:whisper-base")
    set_up(data, Probe(LABELS, BackboneSpec(str(tiny_wavlm))))
    for batch in data.train_dataloader():
        assert batch.features is not None
        assert None not in batch.transcripts


def test_an_ablation_reads_what_a_recogniser_wrote(corpus, tmp_path, monkeypatch):
    """In place of the reference; the main pass, and ablations that hide words, are as they were."""
    from emollm.data.ablations import ABLATIONS

    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    scribe = Scribe.stand_in(monkeypatch)
    data = data_of(corpus)
    set_up(data, Deaf(needs_transcript=True), "test")
    reference = [text for batch in data.test_dataloader() for text in batch.transcripts]
    assert all(text and "samples" not in text for text in reference)
    data.ablation = ABLATIONS["asr_transcript"]
    written = [text for batch in data.test_dataloader() for text in batch.transcripts]
    assert all(text.endswith("samples") for text in written)
    assert len(written) == len(scribe.heard) == len(reference)
    data.ablation = ABLATIONS["audio"]
    assert {text for batch in data.test_dataloader() for text in batch.transcripts} == {None}


def test_a_second_stage_reads_its_part_and_not_the_first_again(corpus, tiny_wavlm, tmp_path, capsys):
    from emollm.models.backbones import BackboneSpec

    module = Probe(LABELS, BackboneSpec(str(tiny_wavlm)))
    data = set_up(data_of(corpus, cache=FeatureCache(folder=str(tmp_path / "cache"))), module)
    assert "9 of 9 utterances are encoded now" in capsys.readouterr().out
    data.setup("validate")
    assert capsys.readouterr().out == ""
    data.setup("test")
    assert "3 of 3 utterances are encoded now" in capsys.readouterr().out
    assert all(batch.features is not None for batch in [*data.train_dataloader(), *data.test_dataloader()])


def test_an_empty_part_is_told(corpus, tmp_path):
    with pytest.raises(UserError, match="the labels proud, relieved; theirs are .*angry.*: mend model.labels"):
        set_up(data_of(corpus, labels=["proud", "relieved"]), Deaf())
    alone = Ravdess(str(write_ravdess(tmp_path / "alone", actors=("01",))))
    with pytest.raises(UserError, match=r"The training part is empty.*data\.protocol"):
        set_up(data_of(alone), Deaf())
    with pytest.raises(UserError, match="The validation part is empty"):
        set_up(data_of(corpus, protocol=FoldColumn("emobox_fold", validation=0)), Deaf(), "validate")


def test_no_corpora_are_told():
    with pytest.raises(UserError, match=r"data\.corpora is empty"):
        data_of().read()


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(UserError, match=r"data\.batch_size"):
        EmotionData(**options)


@pytest.mark.parametrize(
    ("options", "backbone", "says"),
    [
        ({"enabled": False}, {}, "data.cache.enabled is false"),
        ({"max_gb": 1e-6}, {}, "more than data.cache.max_gb (1e-06)"),
        ({}, {"layers": [3], "trained_layers": 1}, "layers of the backbone are trained"),
    ],
)
def test_the_reason_is_said_when_features_are_not_kept(
    corpus, tiny_wavlm, tmp_path, capsys, options, backbone, says
):
    from emollm.models.backbones import BackboneSpec

    cache = FeatureCache(folder=str(tmp_path / "features"), **options)
    module = Probe(LABELS, BackboneSpec(str(tiny_wavlm), **backbone))
    set_up(data_of(corpus, cache=cache), module)
    assert f"Features are not cached: {says}" in capsys.readouterr().out.replace("it would take 0.0 GB, ", "")
    assert not list((tmp_path / "features").rglob("*.npy"))


def test_where_the_waveform_is_augmented_the_other_parts_are_kept(corpus, tiny_wavlm, tmp_path, capsys):
    from emollm.data.augment import Augmentation
    from emollm.models.backbones import BackboneSpec

    options = {
        "cache": FeatureCache(folder=str(tmp_path / "features")),
        "augmentation": Augmentation(gain=(-6, 6)),
    }
    data = set_up(data_of(corpus, **options), Probe(LABELS, BackboneSpec(str(tiny_wavlm))))
    said = capsys.readouterr().out
    assert "Features of the training part are not cached: the waveform is augmented." in said
    number = len(data.parts.validation)
    assert f"{number} of {number} utterances are encoded now" in said
    assert all(batch.features is None for batch in data.train_dataloader())
    assert all(batch.waveforms is None for batch in data.val_dataloader())
    tested = set_up(data_of(corpus, **options), Probe(LABELS, BackboneSpec(str(tiny_wavlm))), "test")
    assert "are not cached" not in capsys.readouterr().out
    assert all(batch.waveforms is None for batch in tested.test_dataloader())


def test_the_bound_is_of_all_that_is_kept(corpus, tiny_wavlm, tmp_path, capsys):
    from emollm.models.backbones import BackboneSpec

    def fitted(max_gb, **backbone):
        cache = FeatureCache(folder=str(tmp_path / "features"), max_gb=max_gb)
        module = Probe(LABELS, BackboneSpec(str(tiny_wavlm), **backbone))
        return set_up(data_of(corpus, cache=cache), module), capsys.readouterr().out

    def kept():
        return sum(file.stat().st_size for file in (tmp_path / "features").rglob("*.npy")) / 1e9

    _, said = fitted(1.0)
    assert "are encoded now" in said
    data, said = fitted(1e-9)
    assert "cached" not in said, "nothing is to be added"
    assert all(batch.waveforms is None for batch in data.train_dataloader())
    before = kept()
    data, said = fitted(1.1 * before, layers=[1])  # another setting's features count too
    assert "more than data.cache.max_gb" in said
    assert kept() == before
    assert all(batch.features is None for batch in data.train_dataloader())


def test_a_disk_that_would_be_full_is_told(corpus, tiny_wavlm, tmp_path, capsys, monkeypatch):
    from shutil import _ntuple_diskusage

    from emollm.models.backbones import BackboneSpec

    monkeypatch.setattr("shutil.disk_usage", lambda _: _ntuple_diskusage(1, 1, 0))
    cache = FeatureCache(folder=str(tmp_path / "features"))
    set_up(data_of(corpus, cache=cache), Probe(LABELS, BackboneSpec(str(tiny_wavlm))))
    assert f"and the disk of {tmp_path / 'features'} has 0.0 GB left" in capsys.readouterr().out


def test_batches_hold_stored_features_of_their_own_and_no_more(corpus, tiny_wavlm, tmp_path, capsys):
    from emollm.models.backbones import BackboneSpec

    cache = FeatureCache(folder=str(tmp_path / "features"))
    data = set_up(data_of(corpus, cache=cache), Probe(LABELS, BackboneSpec(str(tiny_wavlm))))
    assert "9 of 9 utterances are encoded now" in capsys.readouterr().out
    batches = list(data.train_dataloader())
    assert all(batch.waveforms is None and len(batch.features) == len(batch) <= 2 for batch in batches)
    features = batches[0].features
    assert features.dtype == torch.float16
    assert features.untyped_storage().nbytes() == features.numel() * 2, "no larger memory stands behind it"
    again = set_up(data_of(corpus, cache=cache), Probe(LABELS, BackboneSpec(str(tiny_wavlm))))
    assert "are made" not in capsys.readouterr().out
    assert again._store.holds(again.parts.train[0])


def test_a_stored_recording_is_still_refused_when_it_is_too_long(corpus, tiny_wavlm, tmp_path):
    from emollm.models.backbones import BackboneSpec

    cache = FeatureCache(folder=str(tmp_path / "features"))
    for longest, broken in ((60.0, 0), (0.1, 9)):
        module = Probe(LABELS, BackboneSpec(str(tiny_wavlm)))
        data = set_up(data_of(corpus, cache=cache, max_seconds=longest, min_seconds=0.05), module)
        assert sum(len(batch.broken) for batch in [*data.train_dataloader(), *data.val_dataloader()]) == broken


def scores(folder):
    frame = pd.read_csv(folder / "predictions.csv").set_index("path").sort_index()
    return frame[[column for column in frame if column.startswith("p_")]]


def test_scores_are_the_same_with_and_without_the_store(small_run, tmp_path, capsys):
    args = [
        "--config",
        small_run.config,
        "--ckpt_path",
        small_run.checkpoint,
        "--ablations=none",
        "--baselines=none",
    ]
    without = scores(run(tmp_path, "test", *args, "--data.cache.enabled", "false"))
    assert "not cached" in capsys.readouterr().out
    cache = tmp_path / "features"
    args += ["--data.cache.folder", cache]
    stored = scores(run(tmp_path, "test", *args))
    assert "3 of 3 utterances are encoded now" in capsys.readouterr().out
    files = sorted(cache.rglob("*.npy"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:-8])
    mended = scores(run(tmp_path, "test", *args))
    assert "1 of 3 utterances are encoded now" in capsys.readouterr().out
    for other in (stored, mended):
        assert list(other.index) == list(without.index)
        assert (other - without).abs().max().max() < 1e-4
    assert without.to_numpy().std() > 1e-3, "scores that say something"


def test_scores_and_their_order_are_the_same_however_batches_are_formed(small_run, tmp_path):
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint]
    args += ["--ablations=none", "--baselines=none", "--data.other_labels", "drop", "--data.batch_size", "2"]
    plain, *others = (
        pd.read_csv(run(tmp_path, "test", *args, *way) / "predictions.csv")
        for way in (["--data.bucket", "false"], ["--data.bucket", "true"], ["--data.batch_tokens", "40"])
    )
    chances = [column for column in plain if column.startswith("p_")]
    for other in others:
        assert list(other["path"]) == list(plain["path"])
        assert (other[chances] - plain[chances]).abs().max().max() < 1e-4


def test_batches_of_tokens_train_encode_and_evaluate(corpus):
    data = set_up(data_of(corpus, protocol=FoldColumn("emobox_fold", validation=0.2), batch_tokens=40), Deaf())
    one, two = ([len(batch) for batch in data.train_dataloader()] for _ in range(2))
    assert sum(one) == sum(two) == len(data.parts.train)
    assert len(one) == len(two) == len(data.train_dataloader()) < len(data.parts.train) / 2
    assert sum(len(batch) for batch in data.val_dataloader()) == len(data.parts.validation)


@pytest.mark.parametrize(
    ("asked", "verb", "device", "size"),
    [
        (None, "predict", "cuda", 32),
        (None, "predict", "cpu", 8),
        (None, "fit", "cuda", 8),
        (4, "predict", "cuda", 4),
    ],
)
def test_recordings_are_labelled_32_at_a_time_on_a_gpu(asked, verb, device, size):
    data = EmotionData(batch_size=asked)
    strategy = SimpleNamespace(root_device=torch.device(device))
    data.trainer = SimpleNamespace(state=SimpleNamespace(fn=verb), strategy=strategy)
    assert data.size == size
