"""The feature store: never stale, never half a file, told when it is not used."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from emollm.data.batch import UtteranceDataset
from emollm.data.encode import fill
from emollm.data.features import FeatureStore, as_stored, pad_features
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.models.backbones import BackboneSpec
from emollm.modules.probe import Probe
from tests.fake_corpus import tone


@pytest.fixture
def utterance(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(300, 0.4), 16_000)
    return Utterance(id="a", path=tmp_path / "a.wav")


def open_store(tmp_path, settings="a backbone"):
    return FeatureStore(tmp_path / "features", settings)


def test_features_come_back_as_they_were_kept(tmp_path, utterance):
    store, features = open_store(tmp_path), torch.randn(2, 7, 3)
    assert not store.holds(utterance)
    assert store.read(utterance) is None
    store.write(utterance, features)
    assert store.holds(utterance)
    assert torch.equal(open_store(tmp_path).read(utterance), features.half())


def test_a_process_that_has_nothing_to_encode_waits_for_the_others(tmp_path, utterance, monkeypatch):
    """Of fewer new utterances than processes one has none."""
    calls = []
    monkeypatch.setattr("emollm.data.encode.mine", lambda rows: [])
    monkeypatch.setattr("emollm.data.encode.gather", lambda value: calls.append(value) or [value])
    dataset = UtteranceDataset(UtteranceTable([utterance]))
    monkeypatch.setattr("emollm.data.encode.estimate_gb", lambda *_: 0.0)
    fill(open_store(tmp_path), None, dataset, torch.device("cpu"), 0, 2)
    assert calls == [([0], None), None]


def test_values_beyond_float16_are_its_greatest(tmp_path, utterance):
    store = open_store(tmp_path)
    store.write(utterance, torch.tensor([[[1e6, -1e6, 1.0]]]))
    assert store.read(utterance).tolist() == [[[65504.0, -65504.0, 1.0]]]


def test_changed_sound_another_stretch_and_another_backbone_have_other_files(tmp_path, utterance):
    store = open_store(tmp_path)
    files = {store.file(utterance), open_store(tmp_path, "another backbone").file(utterance)}
    for start, end in ((0.1, None), (0.1, 0.3), (None, 0.3)):
        files.add(store.file(Utterance(id=f"{start}{end}", path=utterance.path, start=start, end=end)))
    soundfile.write(utterance.path, tone(400, 0.4), 16_000)
    files.add(open_store(tmp_path).file(utterance))
    assert len(files) == 6


def test_every_speed_has_a_file_of_its_own(tmp_path, utterance):
    store, fast = open_store(tmp_path), replace(utterance, speed=1.1)
    store.write(utterance, torch.zeros(1, 1, 1))
    assert not store.holds(fast)
    store.write(fast, torch.ones(1, 1, 1))
    assert [store.read(one).item() for one in (utterance, fast)] == [0, 1]


def test_a_file_goes_by_what_is_heard_and_not_by_the_utterance(tmp_path, utterance):
    """An ablation lends an utterance the sound of another one."""
    store = open_store(tmp_path)
    soundfile.write(tmp_path / "b.wav", tone(500, 0.4), 16_000)
    store.write(utterance, torch.zeros(1, 1, 1))
    store.write(Utterance(id="b", path=tmp_path / "b.wav"), torch.ones(1, 1, 1))
    lent = Utterance(id=utterance.id, path=tmp_path / "b.wav")
    assert lent.key == utterance.key
    assert store.read(lent).item() == 1
    assert store.read(utterance).item() == 0


def test_the_same_sound_elsewhere_has_the_same_file(tmp_path, utterance):
    (tmp_path / "b.wav").write_bytes(utterance.path.read_bytes())
    store = open_store(tmp_path)
    assert store.file(utterance) == store.file(Utterance(id="b", path=tmp_path / "b.wav"))


def test_settings_tell_layers_and_padding_apart(tiny_whisper):
    settings = set()
    for changes in ({}, {"layers": [1]}, {"whisper_padding": "30s"}, {"dtype": "bfloat16"}):
        probe = Probe(backbone=BackboneSpec(str(tiny_whisper), **changes))
        probe.configure_model()
        settings.add(probe.feature_settings())
    assert len(settings) == 4


def test_whatever_changes_what_is_computed_changes_the_settings(tiny_hubert):
    """Also behind a matrix's first values, in what is no weight, and in what is only said of them."""

    def settings(change):
        probe = Probe(backbone=BackboneSpec(str(tiny_hubert)))
        probe.configure_model()
        change(probe.backbone.model)
        return probe.feature_settings()

    def late_value(model):
        model.encoder.layers[0].feed_forward.output_dense.weight.data[-1, -1] += 1e-6

    def buffer(model):
        model.register_buffer("running_mean", torch.zeros(3))

    def heads(model):
        model.config.num_attention_heads += 1

    found = [settings(change) for change in (lambda model: None, late_value, buffer, heads)]
    assert len(set(found)) == 4
    assert settings(lambda model: setattr(model.config, "_name_or_path", "moved")) == found[0]


@pytest.mark.parametrize("damage", [b"PK\x03\x04", b"\x93NUMPY\x01\x00\x06\x00(((((\n", b"\x80\x04."])
def test_a_damaged_file_is_as_good_as_none(tmp_path, utterance, damage):
    store = open_store(tmp_path)
    store.write(utterance, torch.randn(2, 7, 3))
    file = store.file(utterance)
    file.write_bytes(damage + file.read_bytes()[len(damage) :])
    assert not store.holds(utterance)
    assert store.read(utterance) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_beyond_the_range_are_the_greatest(dtype):
    stored = as_stored(torch.tensor([1e5, -1e5, 7e4, 0.5], dtype=dtype))
    assert stored.tolist() == [65504.0, -65504.0, 65504.0, 0.5]


@pytest.mark.parametrize("left", [0, 10, 100, 150])
def test_a_file_that_was_cut_off_is_as_good_as_none(tmp_path, utterance, left):
    store = open_store(tmp_path)
    store.write(utterance, torch.randn(2, 7, 3))
    file = store.file(utterance)
    assert file.stat().st_size > left
    file.write_bytes(file.read_bytes()[:left])
    assert not store.holds(utterance)
    assert store.read(utterance) is None


def test_sound_that_cannot_be_read_is_left_to_the_run(tmp_path):
    gone = Utterance(id="gone", path=tmp_path / "gone.wav")
    store = open_store(tmp_path)
    assert store.holds(gone)
    assert store.read(gone) is None


def test_what_another_run_made_meanwhile_is_not_made_again(tmp_path, tiny_whisper, monkeypatch):
    rows = []
    for index in range(3):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, tone(300 + index, 0.4), 16_000)
        rows.append(Utterance(id=path.name, path=path))
    probe, store, encoded = Probe(backbone=BackboneSpec(str(tiny_whisper), layers=[1])), open_store(tmp_path), []
    probe.configure_model()
    encode = probe.backbone.encode

    def encode_beside_another_run(waveforms, lengths):
        encoded.append(len(waveforms))
        for row in rows:
            store.write(row, torch.zeros(1, 1, 1))
        return encode(waveforms, lengths)

    monkeypatch.setattr(probe.backbone, "encode", encode_beside_another_run)
    fill(store, probe.backbone, UtteranceDataset(UtteranceTable(rows)), torch.device("cpu"), 0, 1)
    assert encoded == [1]
    assert all(store.holds(row) for row in rows)


def test_other_users_may_read_what_was_kept(tmp_path, utterance):
    before = os.umask(0o022)
    try:
        store = open_store(tmp_path)
        store.write(utterance, torch.zeros(1, 1, 1))
        assert store.file(utterance).stat().st_mode & 0o777 == 0o644
        assert [file.suffix for file in store.file(utterance).parent.iterdir()] == [".npy"]
    finally:
        os.umask(before)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, utterance):
    (tmp_path / "features").write_text("a file")
    with pytest.raises(UserError, match=r"data\.cache\.folder"):
        open_store(tmp_path).write(utterance, torch.zeros(1, 1, 1))


def _write_often(folder, utterance, value):
    store = FeatureStore(folder, "a backbone")
    for _ in range(30):
        store.write(utterance, torch.full((2, 50, 8), value))


def test_two_processes_may_fill_the_store_at_once(tmp_path, utterance):
    store = open_store(tmp_path)
    store.write(utterance, torch.zeros(2, 50, 8))
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_often, args=(tmp_path / "features", utterance, float(value)))
        for value in (1, 2)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert store.read(utterance).unique().numel() == 1, "a whole file of one of the writers"
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [file.suffix for file in store.file(utterance).parent.iterdir()] == [".npy"]


class Slow(torch.nn.Module):
    """A backbone of one layer and two numbers a frame; it takes its time."""

    layers, width, frame_rate, padded_to = [1], 2, 50.0, None

    def forward(self, waveforms, lengths):
        time.sleep(0.05)
        frames = lengths // 320
        mask = torch.arange(int(frames.max())) < frames[:, None]
        return torch.ones(len(lengths), 1, mask.shape[1], 2) * frames[:, None, None, None], mask


def _fill(folder, table, ready):
    ready.wait()
    dataset = UtteranceDataset(table)
    fill(FeatureStore(folder, "a backbone"), Slow(), dataset, torch.device("cpu"), 0, 2)


def test_one_run_is_killed_while_two_fill_the_store(tmp_path, capsys):
    for index in range(12):
        soundfile.write(tmp_path / f"{index}.wav", tone(100 * index + 100, 0.2 + 0.02 * index), 16_000)
    table = UtteranceTable(Utterance(id=str(i), path=tmp_path / f"{i}.wav") for i in range(12))
    context = multiprocessing.get_context("spawn")  # a fork of a process whose threads computed may crash
    ready = context.Event()
    folder = tmp_path / "features"
    runs = [context.Process(target=_fill, args=(folder, table, ready)) for _ in range(2)]
    for run in runs:
        run.start()
    ready.set()
    while not list(folder.rglob("*.npy")):
        assert any(run.is_alive() for run in runs), "both ended and wrote nothing"
        time.sleep(0.01)
    runs[0].kill()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [-signal.SIGKILL, 0]
    store = FeatureStore(folder, "a backbone")
    for row in table:
        length = soundfile.info(row.path).frames // 320
        assert torch.equal(store.read(row), torch.full((1, length, 2), length, dtype=torch.float16))


def test_batches_to_encode_are_of_one_length_and_the_longest_comes_first(tmp_path, capsys):
    seconds = [0.2, 0.8, 0.3, 0.9, 0.25, 0.85]
    for index, length in enumerate(seconds):
        soundfile.write(tmp_path / f"{index}.wav", tone(300, length), 16_000)
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    names = [*map(str, range(6)), "torn", "gone"]
    table = UtteranceTable(Utterance(id=name, path=tmp_path / f"{name}.wav") for name in names)
    store, backbone, batches = FeatureStore(tmp_path / "features", "x"), Slow(), []
    backbone.register_forward_pre_hook(lambda _, inputs: batches.append((inputs[1] / 16_000).tolist()))
    fill(store, backbone, UtteranceDataset(table), torch.device("cpu"), 0, 3)
    assert [pytest.approx(batch) for batch in batches] == [[0.9, 0.85, 0.8], [0.3, 0.25, 0.2]]
    assert "7 of 8 utterances are encoded now" in capsys.readouterr().out
    backbone.to("cpu")
    fill(store, backbone, UtteranceDataset(table), torch.device("cpu"), 0, 3)
    assert len(batches) == 2, "nothing is encoded twice"
    batches.clear()
    fill(FeatureStore(tmp_path / "others", "x"), backbone, UtteranceDataset(table), torch.device("cpu"), 0, 3, 20)
    assert batches[0] == [pytest.approx(0.9)], "and then from anywhere"
    assert sorted(map(sorted, batches))[:2] == [pytest.approx([0.2, 0.25, 0.3]), pytest.approx([0.8, 0.85])]


def test_one_thread_at_a_time_reads_a_header(tmp_path, utterance, monkeypatch):
    """Python 3.11's parser, which NumPy reads headers with, is not safe there."""
    store, busy, real = open_store(tmp_path), [], np.load
    store.write(utterance, torch.ones(1, 2, 3))

    def load(*args, **options):
        busy.append(1)
        assert len(busy) == 1
        time.sleep(0.01)
        busy.pop()
        return real(*args, **options)

    monkeypatch.setattr("emollm.data.features.np.load", load)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(store.holds, [utterance] * 16))


def test_features_are_padded_behind_their_ends():
    padded, mask = pad_features([torch.ones(2, 3, 4), torch.ones(2, 5, 4)])
    assert padded.shape == (2, 2, 5, 4)
    assert mask.sum(1).tolist() == [3, 5]
    assert padded.sum() == 2 * 4 * 8


def test_a_file_that_is_replaced_while_it_is_encoded_gets_no_features_of_the_old_one(
    tmp_path, utterance, tiny_whisper, monkeypatch
):
    probe, store = Probe(backbone=BackboneSpec(str(tiny_whisper), layers=[1])), open_store(tmp_path)
    probe.configure_model()
    encode = probe.backbone.encode

    def replace_and_encode(waveforms, lengths):
        soundfile.write(utterance.path, tone(500, 0.6), 16_000)
        return encode(waveforms, lengths)

    monkeypatch.setattr(probe.backbone, "encode", replace_and_encode)
    fill(store, probe.backbone, UtteranceDataset(UtteranceTable([utterance])), torch.device("cpu"), 0, 1)
    assert not store.holds(utterance)
