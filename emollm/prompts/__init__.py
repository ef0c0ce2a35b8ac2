"""Prompt templates that ship with emollm, one YAML each; see ``emollm.models.prompts``."""
