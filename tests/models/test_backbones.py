"""Every backbone against transformers' own model, and against itself in other company."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emollm.errors import UserError
from emollm.models import packaged
from emollm.models.backbones import BackboneSpec, load_backbone
from emollm.models.backbones.log_mel import log_mel, mel_filters
from emollm.models.fingerprint import fingerprint, same_weights
from emollm.models.sources import resolve
from tests.tiny_backbones import LAYERS, save_backbone

SSL = ["wavlm", "wavlm_base", "hubert", "hubert_batch_norm", "wav2vec2", "data2vec_audio"]
STANDARDISED = ["wavlm", "hubert", "data2vec_audio"]
LENGTHS = torch.tensor([16_000, 8_000, 11_111, 400, 23_456, 3_000, 16_001, 50])


@pytest.fixture(scope="session")
def tiny_hubert_batch_norm(tmp_path_factory) -> Path:
    return save_backbone(tmp_path_factory.mktemp("tiny_hubert_batch_norm"), "hubert_batch_norm")


@pytest.fixture(params=[*SSL, "whisper"])
def spec(request) -> BackboneSpec:
    return BackboneSpec(str(request.getfixturevalue(f"tiny_{request.param}")))


@pytest.fixture(params=SSL)
def ssl(request) -> tuple[str, Path]:
    return request.param, request.getfixturevalue(f"tiny_{request.param}")


def noise(lengths=LENGTHS):
    torch.manual_seed(3)
    return 0.1 * torch.randn(len(lengths), int(lengths.max())) + 0.02


def alone(backbone, waveform):
    return backbone(waveform[None], torch.tensor([len(waveform)]))


def reference(model, inputs):
    """(1, L, T, D) of transformers; the last layer is the model's answer, past its final norm if it has one."""
    with torch.no_grad():
        out = model.eval()(inputs, output_hidden_states=True)
    return torch.stack([*out.hidden_states[:-1], out.last_hidden_state], dim=1)


def test_ssl_families_are_those_of_transformers(ssl):
    name, folder = ssl
    waveform = noise()[0, :16_000]
    normalised = Wav2Vec2FeatureExtractor(do_normalize=name in STANDARDISED)
    inputs = normalised(waveform.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
    hidden, mask = alone(load_backbone(BackboneSpec(str(folder))), waveform)
    expected = reference(AutoModel.from_pretrained(folder), inputs)
    assert mask.all()
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=0)


def test_the_spectrogram_is_whispers():
    clip = noise()[0, :16_000]
    clip[:4_000] = 0.0
    padded = nn.functional.pad(clip, (0, 29 * 16_000))
    mel = log_mel(padded[None], mel_filters(80), torch.ones(1, 3_000, dtype=torch.bool))
    expected = WhisperFeatureExtractor()(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    torch.testing.assert_close(mel, expected, atol=1e-4, rtol=0)


def test_whisper_padded_is_that_of_transformers(tiny_whisper):
    waveform = noise()[0, :16_000]
    mel = WhisperFeatureExtractor()(waveform.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    hidden, mask = alone(load_backbone(BackboneSpec(str(tiny_whisper), whisper_padding="30s")), waveform)
    expected = reference(AutoModel.from_pretrained(tiny_whisper).encoder, mel)
    assert mask.shape == (1, 50)
    torch.testing.assert_close(hidden, expected[:, :, :50], atol=1e-4, rtol=0)


def test_whisper_at_true_length_is_a_whisper_built_for_that_length(tiny_whisper):
    waveform = noise()[0, :16_000]
    extractor = WhisperFeatureExtractor()
    silence = nn.functional.pad(waveform, (0, 400)).numpy()
    mel = extractor(silence, sampling_rate=16_000, padding="do_not_pad", return_tensors="pt").input_features
    whole = AutoModel.from_pretrained(tiny_whisper).encoder
    config = AutoConfig.from_pretrained(tiny_whisper)
    config.max_source_positions = 50
    short = WhisperEncoder(config)
    weights = whole.state_dict()
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:50]
    short.load_state_dict(weights)
    hidden, _ = alone(load_backbone(BackboneSpec(str(tiny_whisper))), waveform)
    torch.testing.assert_close(hidden, reference(short, mel[:, :, :100]), atol=1e-4, rtol=0)


def test_a_clip_does_not_feel_its_company(spec):
    check_company(load_backbone(spec))


def test_a_clip_padded_to_thirty_seconds_does_not_feel_its_company(tiny_whisper):
    check_company(load_backbone(BackboneSpec(str(tiny_whisper), whisper_padding="30s")))


def check_company(backbone):
    waveforms = noise()
    # Silence and a click at the very end: frames beyond the end are louder than any of the clip's own.
    waveforms[1, :7_999], waveforms[1, 7_999] = 0.0, 5.0
    real = torch.arange(waveforms.shape[1]) < LENGTHS[:, None]
    hidden, mask = backbone(waveforms.masked_fill(~real, float("nan")), LENGTHS)
    assert mask.shape == (8, hidden.shape[2])
    assert torch.equal(mask.sum(1), backbone.frames(LENGTHS))
    assert hidden.masked_select(~mask[:, None, :, None]).eq(0).all()
    for row, length in enumerate(LENGTHS.tolist()):
        expected, kept = alone(backbone, waveforms[row, :length])
        assert kept.all()
        torch.testing.assert_close(hidden[row, :, mask[row]], expected[0], atol=1e-5, rtol=0)


def test_it_says_its_width_and_frame_rate(spec):
    backbone = load_backbone(spec)
    hidden, mask = alone(backbone, noise(torch.tensor([48_000]))[0])
    assert backbone.width == hidden.shape[3] == 32
    assert mask.sum() / 3 == pytest.approx(backbone.frame_rate, rel=0.02)
    assert backbone.layers == list(range(LAYERS + 1))
    assert hidden.shape[1] == LAYERS + 1


@pytest.mark.parametrize("length", [0, 1, 399, 400, 719, 720])
def test_the_shortest_clips_have_one_frame_or_two(spec, length):
    backbone = load_backbone(spec)
    waveforms = noise(torch.tensor([800]))
    hidden, mask = backbone(waveforms, torch.tensor([length]))
    assert hidden.isfinite().all()
    assert mask.sum() == backbone.frames(torch.tensor([length])) >= 1


def test_whisper_joins_windows_of_thirty_seconds(tiny_whisper):
    waveforms = noise(torch.tensor([61 * 16_000, 61 * 16_000, 61 * 16_000]))
    window = 30 * 16_000
    lengths = torch.tensor([61 * 16_000, window, window + 1])
    backbone = load_backbone(BackboneSpec(str(tiny_whisper)))
    hidden, mask = backbone(waveforms, lengths)
    assert mask.sum(1).tolist() == [3050, 1500, 1501]
    parts = [alone(backbone, part)[0] for part in waveforms[0].split(window)]
    torch.testing.assert_close(hidden[:1], torch.cat(parts, dim=2), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden[1:2, :, :1500], alone(backbone, waveforms[1, :window])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("asked", "expected"), [([2, 0, 2], [0, 2]), (1, [1]), (-1, [LAYERS]), ([0], [0])])
def test_fewer_layers_are_cut_off_and_not_changed(spec, asked, expected):
    whole, mask = load_backbone(spec)(noise(), LENGTHS)
    spec.layers = asked
    backbone = load_backbone(spec)
    hidden, same_mask = backbone(noise(), LENGTHS)
    assert backbone.layers == expected
    assert len(backbone.blocks) == max(expected)
    assert torch.equal(mask, same_mask)
    torch.testing.assert_close(hidden, whole[:, expected], atol=1e-6, rtol=0)


def test_whisper_is_loaded_without_its_decoder(tiny_whisper):
    backbone = load_backbone(BackboneSpec(str(tiny_whisper)))
    assert not any("decoder" in name or "embed_tokens" in name for name, _ in backbone.named_parameters())


def test_frozen_whatever_lightning_does(spec):
    backbone = load_backbone(spec)
    joint = nn.ModuleList([backbone, nn.Linear(2, 2)])
    first = backbone(noise(), LENGTHS)[0]
    joint.train()
    assert not any(module.training for module in backbone.modules())
    assert not any(weight.requires_grad for weight in backbone.parameters())
    hidden, _ = backbone(noise(), LENGTHS)
    assert not hidden.requires_grad
    assert torch.equal(hidden, first), "no dropout, no LayerDrop, no SpecAugment"


def test_the_last_blocks_are_trained_if_asked_for(spec):
    spec.trained_layers = 2
    backbone = load_backbone(spec)
    trained = {name for name, weight in backbone.named_parameters() if weight.requires_grad}
    prefixes = {name.split("layers.")[1].split(".")[0] for name in trained}
    assert prefixes == {"1", "2"}
    assert backbone.train().blocks[1].training
    assert not backbone.blocks[0].training
    assert not backbone.eval().blocks[1].training

    hidden, mask = backbone(noise(), LENGTHS)
    expected, _ = load_backbone(BackboneSpec(spec.source))(noise(), LENGTHS)
    torch.testing.assert_close(hidden.detach(), expected, atol=1e-5, rtol=0)
    # Layers 0 and 1 come from frozen blocks: no graph, and no gradient into them.
    (hidden * torch.randn_like(hidden)).sum().backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in backbone.named_parameters() if _felt(name, trained))
    assert all(weight.grad is None for name, weight in backbone.named_parameters() if name not in trained)


def _felt(name, trained):
    # A bias of the keys changes no attention: softmax takes it out again.
    return name in trained and "k_proj.bias" not in name


def test_all_blocks_may_be_trained(tiny_wavlm):
    backbone = load_backbone(BackboneSpec(str(tiny_wavlm), trained_layers=LAYERS))
    backbone(noise(), LENGTHS)[0].sum().backward()
    assert backbone.blocks[0].attention.rel_attn_embed.weight.grad.abs().sum() > 0


def test_bfloat16_is_near_float32(spec):
    expected, _ = load_backbone(spec)(noise(), LENGTHS)
    spec.dtype = "bfloat16"
    backbone = load_backbone(spec)
    hidden, _ = backbone(noise(), LENGTHS)
    assert hidden.dtype == torch.bfloat16
    assert nn.functional.cosine_similarity(hidden.float(), expected, dim=-1)[expected.any(-1)].mean() > 0.99


def test_the_fingerprint_is_of_the_weights_and_not_of_how_they_are_loaded(tiny_wavlm, tiny_whisper, tmp_path):
    for folder in (tiny_wavlm, tiny_whisper):
        prints = {
            load_backbone(BackboneSpec(str(folder), dtype=dtype, trained_layers=trained)).fingerprint
            for dtype, trained in (("float32", 0), ("bfloat16", 0), ("float32", 1))
        }
        assert len(prints) == 1
        assert [len(part) for part in prints.pop().split("-")] == [16, 16]
    model = AutoModel.from_pretrained(tiny_wavlm)
    before = fingerprint(model)
    with torch.no_grad():
        model.encoder.layers[1].layer_norm.weight[0] += 0.5
    assert not same_weights(fingerprint(model), before)


def test_fine_tuned_matrices_are_other_weights(tiny_wavlm):
    """As of a LoRA that was merged: no norm and no bias tells."""
    model = AutoModel.from_pretrained(tiny_wavlm)
    before = fingerprint(model)
    with torch.no_grad():
        model.encoder.layers[0].attention.q_proj.weight += 0.01 * torch.randn(32, 32)
    assert fingerprint(model).split("-")[0] == before.split("-")[0]
    assert not same_weights(fingerprint(model), before)
    assert same_weights(before.split("-")[0], before), "one of a quantised model tells of less"


def test_clips_that_are_standardised_are_stored_apart_from_those_that_are_not(tiny_wavlm, tmp_path):
    other = shutil.copytree(tiny_wavlm, tmp_path / "other")
    settings = []
    for folder, normalise in ((tiny_wavlm, None), (other, True), (other, False)):
        if normalise is not None:
            (other / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalise}))
        settings.append(load_backbone(BackboneSpec(str(folder))).setting)
    assert settings[1] != settings[2]
    assert settings[0] in settings[1:]


@pytest.mark.parametrize("layers", [4, -5, [1, 9], []])
def test_layers_that_are_not_there(tiny_wavlm, layers):
    with pytest.raises(UserError, match=r"backbone.layers is .* has the layers 0 to 3"):
        load_backbone(BackboneSpec(str(tiny_wavlm), layers=layers))


def test_more_trained_layers_than_there_are(tiny_wavlm):
    with pytest.raises(UserError, match="trained_layers is 3, but the asked layers use 2 blocks"):
        load_backbone(BackboneSpec(str(tiny_wavlm), layers=[1, 2], trained_layers=3))


def test_training_in_bfloat16_is_refused(tiny_wavlm):
    with pytest.raises(UserError, match="set backbone.dtype to float32"):
        load_backbone(BackboneSpec(str(tiny_wavlm), trained_layers=1, dtype="bfloat16"))


def test_a_model_of_another_kind_is_refused_by_name(tiny_llama):
    with pytest.raises(UserError, match=r"of type 'llama'; choose one of these types: wavlm, hubert, .*whisper"):
        load_backbone(BackboneSpec(str(tiny_llama)))


def test_a_folder_that_lacks_weights_is_refused(tiny_wavlm, tmp_path):
    weights = load_file(tiny_wavlm / "model.safetensors")
    weights.pop("encoder.layers.1.layer_norm.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text((tiny_wavlm / "config.json").read_text())
    with pytest.raises(UserError, match=r"lack 1 tensors .*encoder.layers.1.layer_norm.weight"):
        load_backbone(BackboneSpec(str(tmp_path)))
    # What is missing above the layers that are asked for is not missed.
    load_backbone(BackboneSpec(str(tmp_path), layers=1))


@pytest.mark.skipif(
    not packaged.is_installed(packaged.find("whisper-tiny.en")), reason="the packaged Whisper is not installed"
)
@pytest.mark.parametrize("padding", ["none", "30s"])
def test_the_packaged_whisper(padding):
    backbone = load_backbone(BackboneSpec("packaged:whisper-tiny.en", whisper_padding=padding))
    lengths = LENGTHS[:3]
    waveforms = noise(lengths)
    hidden, mask = backbone(waveforms, lengths)
    for row, length in enumerate(lengths.tolist()):
        expected, _ = alone(backbone, waveforms[row, :length])
        # Real weights have values in the hundreds.
        torch.testing.assert_close(hidden[row, :, mask[row]], expected[0], atol=1e-4, rtol=1e-5)
    if padding == "30s":
        mel = WhisperFeatureExtractor()(waveforms[0].numpy(), sampling_rate=16_000, return_tensors="pt")
        model = AutoModel.from_pretrained(resolve("packaged:whisper-tiny.en"), dtype=torch.float32)
        expected = reference(model.encoder, mel.input_features)[:, :, :50]
        torch.testing.assert_close(hidden[:1, :, mask[0]], expected, atol=1e-3, rtol=1e-4)


def test_nothing_heavy_at_import():
    code = "import sys, emollm.models.backbones, emollm.models.interfaces; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_padding_is_refused_where_the_backbone_is_not_whisper(tiny_hubert):
    with pytest.raises(UserError, match="backbone.whisper_padding is 30s, .* 'hubert': only Whisper is padded"):
        load_backbone(BackboneSpec(str(tiny_hubert), whisper_padding="30s"))
