"""Renders the sample recordings: ``python -m emollm.samples.render OUT`` (needs espeak-ng).

The recordings in this folder are its output. Run it again only to change them: another version of espeak-ng
pronounces differently.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import soundfile
import torch
from torch import Tensor

from emollm.data.audio import SAMPLE_RATE
from emollm.errors import UserError

TRANSCRIPTS = "transcripts.csv"


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds, after the review of Scherer, "Vocal communication of emotion" (2003).

    Attributes:
        rate: words a minute.
        pitch: percent of the voice's own.
        pitch_range: percent of the voice's own.
        loudness: level of the whole clip, in dB below full scale; what the peaks leave room for at most.
        treble: gain of what lies above 3 kHz, in dB: a tense voice is bright, a slack one dull.
    """

    rate: int
    pitch: int
    pitch_range: int
    loudness: float
    treble: float


@dataclass(frozen=True)
class Clip:
    """One sentence, who says it (a voice of espeak-ng), and with which feeling."""

    name: str
    transcript: str
    emotion: str
    voice: str


MANNERS = {
    "angry": Manner(rate=215, pitch=115, pitch_range=170, loudness=-18, treble=8),
    "happy": Manner(rate=195, pitch=130, pitch_range=190, loudness=-20, treble=5),
    "fear": Manner(rate=225, pitch=150, pitch_range=80, loudness=-22, treble=2),
    "surprise": Manner(rate=180, pitch=140, pitch_range=220, loudness=-20, treble=4),
    "disgust": Manner(rate=135, pitch=80, pitch_range=110, loudness=-25, treble=-2),
    "sad": Manner(rate=110, pitch=80, pitch_range=45, loudness=-31, treble=-8),
    "neutral": Manner(rate=160, pitch=100, pitch_range=90, loudness=-25, treble=0),
}

CLIPS = (
    Clip("01_get_out_of_my_house", "Get out of my house! I never want to see you again!", "angry", "en-us+m4"),
    Clip("02_train_to_london", "The train to London leaves from the other platform.", "neutral", "en-gb+f2"),
    Clip("03_won_the_final", "We won! I can't believe it, we actually won the final!", "happy", "en-us+f2"),
    Clip("04_not_coming_home", "She is not coming home anymore. I miss her every day.", "sad", "en-gb+m1"),
    Clip("05_someone_on_the_stairs", "Please be quiet! There is someone on the stairs.", "fear", "en-us+f1"),
    Clip("06_mold_in_this_cup", "There is mold in this cup. That is disgusting!", "disgust", "en-us+m3"),
    Clip("07_all_this_way", "What? You came all this way? I had no idea!", "surprise", "en-gb+f3"),
    Clip("08_third_time", "That is the third time you lied to me! I have had enough!", "angry", "en-gb+f1"),
    Clip("09_she_said_yes", "She said yes! This is the best day of my life!", "happy", "en-us+m2"),
    Clip("10_by_the_window", "I sat by the window all evening. Nobody called.", "sad", "en-us+f2"),
    Clip("11_the_brakes", "The brakes don't work! Help me, we are too fast!", "fear", "en-gb+m4"),
    Clip("12_keys_on_the_table", "I put the keys on the table, next to the post.", "neutral", "en-us+m7"),
)


def synthesise(clip: Clip) -> Tensor:
    """The clip's sound.

    Returns:
        (S,) float32 samples at 16 kHz.

    Raises:
        UserError: when espeak-ng is missing or fails.
    """
    from torchaudio.functional import resample, treble_biquad

    manner = MANNERS[clip.emotion]
    ssml = (
        f'<speak><prosody pitch="{manner.pitch}%" range="{manner.pitch_range}%">'
        f"{escape(clip.transcript)}</prosody></speak>"
    )
    command = ["espeak-ng", "-m", "-z", "--stdout", "-v", clip.voice, "-s", str(manner.rate), ssml]
    try:
        wav = subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise UserError("espeak-ng is not installed: apt-get install espeak-ng.") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"espeak-ng failed on {clip.name}: {error.stderr.decode().strip()}") from error
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    waveform = resample(torch.from_numpy(samples), rate, SAMPLE_RATE)
    waveform = treble_biquad(waveform, SAMPLE_RATE, gain=manner.treble, central_freq=3000.0)
    level = 10 ** (manner.loudness / 20) / waveform.square().mean().sqrt()
    return waveform * min(level, 0.97 / waveform.abs().max())


def render(folder: Path) -> list[Path]:
    """Write all clips and their transcripts.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for clip in CLIPS:
        file = folder / f"{clip.name}.ogg"
        soundfile.write(file, synthesise(clip).numpy(), SAMPLE_RATE, subtype="VORBIS", compression_level=0.2)
        files.append(file)
    table = folder / TRANSCRIPTS
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "transcript", "label"])
        writer.writerows([f"{clip.name}.ogg", clip.transcript, clip.emotion] for clip in CLIPS)
    return [*files, table]


def main(arguments: list[str]) -> int:
    """Render into the one folder that is named."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m emollm.samples.render OUT", file=sys.stderr)
        return 2
    try:
        files = render(Path(arguments[0]))
    except UserError as error:
        print(f"emollm: {error}", file=sys.stderr)
        return 2
    print("Written:", *files, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
