"""Audio, transcripts, labels and splits: everything before the first tensor reaches a model."""
