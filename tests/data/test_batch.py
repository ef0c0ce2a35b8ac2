"""Items and batches: what cannot be read is set aside with its reason."""

import pytest
import soundfile
import torch

from emollm.data.augment import Augmentation
from emollm.data.batch import BatchDataset, Collate, Item, UtteranceDataset
from emollm.data.features import FeatureStore
from emollm.data.utterance import Utterance, UtteranceTable
from tests.fake_corpus import tone

COLLATE = Collate({"angry": 0, "sad": 1})


@pytest.fixture
def table(tmp_path):
    """Two good recordings, and one of each broken kind."""
    for index in range(2):
        soundfile.write(tmp_path / f"good{index}.wav", tone(300, 0.4 + 0.2 * index), 16_000)
    soundfile.write(tmp_path / "short.wav", tone(300, 0.05), 16_000)
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    rows = [
        Utterance(id=name, path=tmp_path / f"{name}.wav", label=label)
        for name, label in (
            ("good0", "sad"),
            ("torn", "sad"),
            ("good1", None),
            ("short", "angry"),
            ("gone", "sad"),
        )
    ]
    return UtteranceTable([*rows, Utterance(id="pathless", transcript="words")])


def items(dataset):
    return [dataset[index] for index in range(len(dataset))]


def test_broken_items_are_set_aside_with_their_reasons(table):
    batch = COLLATE(items(UtteranceDataset(table)))
    assert [u.id for u in batch.utterances] == ["good0", "good1"]
    assert batch.targets.tolist() == [1, -1]
    assert batch.lengths.tolist() == [6400, 9600]
    assert batch.waveforms.shape == (2, 9600)
    assert not batch.waveforms[0, 6400:].any()
    reasons = {utterance.id: reason for utterance, reason in batch.broken}
    assert set(reasons) == {"torn", "short", "gone", "pathless"}
    assert "shorter than" in reasons["short"]
    assert "no such file" in reasons["gone"]
    assert "no sound file is named" in reasons["pathless"]


def test_too_long_recordings_are_broken(table):
    batch = COLLATE(items(UtteranceDataset(table, max_seconds=0.5)))
    assert [u.id for u in batch.utterances] == ["good0"]
    assert "longer than 0.5 s" in {u.id: r for u, r in batch.broken}["good1"]


def test_a_batch_with_nothing_readable_keeps_its_types():
    batch = COLLATE([Item(Utterance(id="1"), error="torn")])
    assert len(batch) == 0
    assert batch.waveforms is None
    assert batch.targets.dtype == batch.lengths.dtype == torch.long
    assert len(batch.to("cpu").broken) == 1


def test_text_alone_decodes_nothing(table):
    batch = COLLATE(items(UtteranceDataset(table, decode=False)))
    assert len(batch) == len(table)
    assert batch.waveforms is None


def test_augmentation_is_a_function_of_seed_epoch_and_index(table):
    noisy = Augmentation(noise_snr=(5.0, 10.0))

    def first(seed, place):
        return UtteranceDataset(table, augmentation=noisy, seed=seed)[place].waveform

    assert torch.equal(first(0, (1, 0)), first(0, (1, 0)))
    assert not torch.equal(first(0, (1, 0)), first(0, (2, 0)))
    assert not torch.equal(first(0, (1, 0)), first(1, (1, 0)))


def store_with(tmp_path, *utterances):
    store = FeatureStore(tmp_path / "features", "a backbone")
    for utterance in utterances:
        store.write(utterance, torch.ones(2, 5, 3))
    return store


def test_stored_features_stand_in_for_the_sound(table, tmp_path):
    dataset = UtteranceDataset(table, store=store_with(tmp_path, table[0], table[2]))
    batch = COLLATE(dataset.__getitems__(range(len(table))))
    assert batch.waveforms is None
    assert batch.features.shape == (2, 2, 5, 3)
    assert len(batch.broken) == 4, "what cannot be read is told from features too"


def test_known_faults_are_told_without_trying(table):
    dataset = UtteranceDataset(table, decode=False, faults={"good0": "cannot be transcribed"})
    batch = COLLATE(items(dataset))
    assert [(row.id, reason) for row, reason in batch.broken] == [("good0", "cannot be transcribed")]
    assert len(batch) == len(table) - 1


def test_an_empty_batch_may_be_asked_for(table):
    """As of the process that runs out of utterances first."""
    batch = COLLATE(BatchDataset(UtteranceDataset(table))[[]])
    assert len(batch) == 0
    assert batch.broken == []


def test_a_batch_never_mixes_features_and_sound(table, tmp_path):
    """As when the cache is cleared while a run goes on: the loader gets all of the batch as sound."""
    dataset = UtteranceDataset(table, store=store_with(tmp_path, table[0]))
    (batch,) = torch.utils.data.DataLoader(dataset, batch_size=6, collate_fn=COLLATE)
    assert batch.features is None
    assert [u.id for u in batch.utterances] == ["good0", "good1"]
    assert len(batch.waveforms) == 2
