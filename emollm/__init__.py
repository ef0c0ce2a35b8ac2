"""emollm hears how people feel: a frozen audio backbone, a small interface and an LLM with LoRA."""

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "load"]


def __dir__() -> list[str]:
    """What completion offers, before anything is imported."""
    return sorted([*globals(), *__all__])


def __getattr__(name: str) -> object:
    """``emollm.load`` and ``emollm.Predictor``, imported when they are first asked for: torch takes its time."""
    if name in ("load", "Predictor"):
        from emollm import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module 'emollm' has no attribute '{name}'")
