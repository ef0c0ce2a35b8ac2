"""A dozen synthetic recordings with feeling, to try emollm on; README.md says how they were made."""
