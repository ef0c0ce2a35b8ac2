"""What a fit says at its end."""

import numpy as np
import soundfile
import yaml

from emollm.data.corpora import Ravdess
from tests.small import run


def test_a_recording_of_validation_that_cannot_be_read_is_told_too(small_run, tmp_path, capsys):
    table = Ravdess(str(small_run.folder / "ravdess")).read().to_frame()
    table = table.rename(columns={"path": "file"})[["file", "speaker", "label", "transcript"]]
    table = table[table["label"].isin(["angry", "happy", "sad"])].reset_index(drop=True)
    table["split"] = ["validation" if speaker == "02" else "train" for speaker in table["speaker"]]
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16_000)
    table.loc[table.index[table["split"] == "validation"][0], "file"] = tmp_path / "silent.wav"
    table.to_csv(tmp_path / "mine.csv", index=False)
    corpus = {"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(tmp_path / "mine.csv")}}
    data = {"corpora": [corpus], "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"data": data}))
    run(tmp_path, "fit", "--config", small_run.config, "--config", tmp_path / "mine.yaml")
    said = capsys.readouterr().out
    assert "1 utterance could not be read:" in said
    assert "mine/silent: " in said
