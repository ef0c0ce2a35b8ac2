"""Augmentation: off by default, ruled by the generator alone, and as strong as it says."""

import math

import pytest
import torch

from emollm.data.augment import Augmentation, play
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def wave():
    return torch.sin(torch.arange(16_000) * 0.1) * 0.5


def decibels(samples):
    return 10 * math.log10(samples.square().mean())


def test_off_by_default(wave):
    quiet = Augmentation()
    assert not quiet.changes_waveform
    assert not quiet.changes_features
    assert torch.equal(quiet.apply_waveform(wave, generator()), wave)
    features = torch.randn(2, 5, 3)
    assert torch.equal(quiet.apply_features(features, torch.ones(2, 5, dtype=torch.bool), generator()), features)


def test_the_generator_alone_decides(wave):
    busy = Augmentation(noise_snr=(0, 30), gain=(-6, 6), time_masks=2, feature_masks=2)
    assert busy.changes_waveform
    assert busy.changes_features
    torch.manual_seed(1)
    first = busy.apply_waveform(wave, generator())
    torch.manual_seed(2)
    assert torch.equal(first, busy.apply_waveform(wave, generator()))
    assert not torch.equal(first[:9000], busy.apply_waveform(wave, generator(5))[:9000])
    features, mask = torch.randn(3, 40, 8), torch.ones(3, 40, dtype=torch.bool)
    masked = busy.apply_features(features, mask, generator())
    assert torch.equal(masked, busy.apply_features(features, mask, generator()))


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.25])
def test_speed_changes_length_and_pitch(wave, factor):
    fast = play(wave, factor)
    assert len(fast) == pytest.approx(16_000 / factor, abs=2)
    spectrum = torch.fft.rfft(fast).abs()
    cycles = 0.1 / (2 * math.pi) * 16_000  # of the whole wave: speed keeps their number
    assert spectrum.argmax().item() == pytest.approx(cycles, abs=2)


def test_every_utterance_is_there_at_every_speed(wave):
    table = UtteranceTable([Utterance(id="a"), Utterance(id="b")])
    rows = Augmentation(speed=[0.9, 1.0, 1.1]).copies(table)
    assert {(row.id, row.speed) for row in rows} == {(one, speed) for one in "ab" for speed in (0.9, 1.0, 1.1)}
    assert list(Augmentation().copies(table)) == list(table)
    assert play(wave, 1.0) is wave


def test_noise_has_the_asked_ratio(wave):
    noisy = Augmentation(noise_snr=(10, 10)).apply_waveform(wave, generator())
    assert decibels(wave) - decibels(noisy - wave) == pytest.approx(10, abs=0.1)


def test_a_crop_is_a_stretch_of_the_wave_as_long_as_asked():
    cropping, wave, source = Augmentation(crop=0.6), torch.arange(1000.0), generator()
    assert cropping.changes_waveform
    assert not Augmentation(speed=[0.9, 1]).changes_waveform
    parts = [cropping.apply_waveform(wave, source) for _ in range(100)]
    for part in parts:
        assert torch.equal(part, torch.arange(part[0].item(), part[0].item() + len(part)))
    sizes = [len(part) for part in parts]
    assert 600 <= min(sizes) < 650
    assert 950 < max(sizes) <= 1000
    assert min(int(part[0]) for part in parts) < 20
    assert max(int(part[-1]) for part in parts) > 980
    assert len(cropping.apply_waveform(torch.zeros(1), source)) == 1


def test_gain_stays_in_its_range(wave):
    loud = Augmentation(gain=(-6, 6))
    source = generator()
    gains = [decibels(loud.apply_waveform(wave, source)) - decibels(wave) for _ in range(50)]
    assert all(-6.01 <= gain <= 6.01 for gain in gains)
    assert max(gains) - min(gains) > 6


def test_time_masks_hide_whole_frames_within_the_real_ones():
    masking = Augmentation(time_masks=1, time_mask_fraction=0.5)
    features = torch.ones(64, 40, 6)
    mask = torch.arange(40) < torch.randint(10, 41, (64, 1), generator=generator())
    hidden = masking.apply_features(features, mask, generator()) == 0
    assert torch.equal(hidden.all(2), hidden.any(2)), "a frame is hidden as a whole"
    assert not (hidden.any(2) & ~mask).any(), "padding is not touched"
    shares = hidden[:, :, 0].sum(1) / mask.sum(1)
    assert shares.max() <= 0.56
    assert shares.max() > 0.3
    assert torch.equal(features, torch.ones(64, 40, 6)), "the input is not changed"


def test_masks_do_not_depend_on_the_side_of_padding():
    masking = Augmentation(time_masks=2, feature_masks=1)
    features = torch.randn(1, 30, 4)
    padding, some = torch.zeros(1, 10, 4), torch.ones(1, 30, dtype=torch.bool)
    none = torch.zeros(1, 10, dtype=torch.bool)
    alone = masking.apply_features(features, some, generator())
    left = masking.apply_features(torch.cat([padding, features], 1), torch.cat([none, some], 1), generator())
    right = masking.apply_features(torch.cat([features, padding], 1), torch.cat([some, none], 1), generator())
    assert torch.equal(left[:, 10:], alone)
    assert torch.equal(right[:, :30], alone)


def test_feature_masks_hide_whole_channels():
    masking = Augmentation(feature_masks=1, feature_mask_fraction=0.25)
    mask = torch.ones(64, 7, dtype=torch.bool)
    hidden = masking.apply_features(torch.ones(64, 7, 40), mask, generator()) == 0
    assert torch.equal(hidden.all(1), hidden.any(1))
    widths = hidden[:, 0].sum(1)
    assert 5 < widths.max() <= 10
    assert len(widths.unique()) > 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": [0.1, 1]},
        {"speed": [1, 1.0371]},
        {"speed": [0.9, 1.1]},
        {"speed": [1, 1.1, 1.1]},
        {"noise_snr": (30, 10)},
        {"gain": (3, -3)},
        {"crop": 0.0},
        {"crop": 1.0},
        {"time_mask_fraction": 0.0},
        {"feature_mask_fraction": 1.5},
        {"time_masks": -1},
    ],
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(UserError, match="augmentation."):
        Augmentation(**wrong)
