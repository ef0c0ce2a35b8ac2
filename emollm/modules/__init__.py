"""The LightningModules: the emotion LLM and the pooled-head probe."""
