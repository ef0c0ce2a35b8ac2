"""Silence before and after speech is cut, clip by clip."""

import pytest
import torch

from emollm.errors import UserError
from emollm.models.backbones import BackboneSpec, load_backbone
from emollm.models.backbones.trim import trim
from tests.fake_corpus import tone


def clip(before, speech, after):
    parts = [torch.zeros(before), torch.from_numpy(tone(200, speech / 16_000)), torch.zeros(after)]
    return torch.cat(parts) + 1e-5 * torch.randn(before + speech + after)


def batch(*clips):
    return torch.nn.utils.rnn.pad_sequence(list(clips), batch_first=True), torch.tensor([len(c) for c in clips])


def test_ends_are_cut_and_speech_is_kept():
    waveforms, lengths = batch(clip(8000, 16_000, 4000), clip(0, 6000, 0))
    cut, new = trim(waveforms, lengths, 40)
    assert abs(int(new[0]) - 16_000) <= 2 * 400
    assert abs(int(new[1]) - 6000) <= 400
    assert (cut[0, : int(new[0])].abs() > 0.01).float().mean() > 0.5
    assert (cut[1, int(new[1]) :] == 0).all()


@pytest.mark.parametrize("samples", [torch.zeros(5000), torch.ones(100)])
def test_silence_and_a_clip_without_a_frame_stay_whole(samples):
    cut, new = trim(*batch(samples), 40)
    assert abs(int(new[0]) - len(samples)) < 400
    assert cut.shape[1] == int(new[0])


def test_a_clip_is_cut_the_same_alone_and_in_a_batch(tiny_whisper):
    torch.manual_seed(0)
    backbone = load_backbone(BackboneSpec(str(tiny_whisper), trim_db=40))
    waveforms, lengths = batch(clip(8000, 16_000, 4000), clip(500, 6000, 9000))
    waveforms[1, int(lengths[1]) :] = 3.0  # padding may be anything
    together, mask = backbone(waveforms, lengths)
    for row in range(2):
        alone, own = backbone(waveforms[row : row + 1, : int(lengths[row])], lengths[row : row + 1])
        assert int(mask[row].sum()) == int(own.sum())
        torch.testing.assert_close(together[row][:, mask[row]], alone[0], atol=1e-5, rtol=0)


def test_features_of_cut_clips_are_told_apart(tiny_whisper):
    plain, cut = (load_backbone(BackboneSpec(str(tiny_whisper), trim_db=db)) for db in (None, 40))
    assert plain.setting != cut.setting
    with pytest.raises(UserError, match="trim_db"):
        load_backbone(BackboneSpec(str(tiny_whisper), trim_db=0))
