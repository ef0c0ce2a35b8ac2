"""Which kinds of audio encoders can be a backbone; here, for whoever asks without loading torch."""

AUDIO_FAMILIES = ("wavlm", "hubert", "wav2vec2", "data2vec-audio", "whisper")
"""The ``model_type`` of each in config.json; a new family needs a word here."""
