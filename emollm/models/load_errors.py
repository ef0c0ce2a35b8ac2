"""What goes wrong when weights are loaded, in one sentence instead of a traceback."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError

from emollm.errors import UserError

_PATIENCE_S = 5.0  # to hear anything at all from the hub
_REMEMBER_S = 60.0  # the answer holds for a minute: one model is several files
_RECIPE = "use the packaged recipe configs/whisper_smollm2.yaml"


@contextmanager
def readable_errors(source: str, what: str) -> Iterator[None]:
    """Around calls of ``from_pretrained``: failures to get the weights become a UserError.

    A hub that does not answer within five seconds is not asked again and again (left alone, huggingface_hub
    retries for 25 seconds a file, or for minutes where packets vanish): inside the block its offline mode is on,
    so that a complete copy in the local hub cache is used at once.

    Args:
        source: the resolved source (a hub id or a local folder).
        what: what is loaded, as in ``the backbone``.

    Raises:
        UserError: what was asked for, why it failed, and the ways out. Other errors pass unchanged.
    """
    from transformers.utils import logging

    local = Path(source).is_dir()
    if local:
        # Nothing is fetched, so there is nothing to watch.
        logging.disable_progress_bar()
    with _short_patience(local) as out_of_reach:
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            reason = _reason(error, out_of_reach)
            if reason is None:
                raise
            instead = "give a whole folder of the right kind" if local else "give a local folder that holds it"
            raise UserError(
                f"Cannot load {what} {source!r}: {reason}; {instead} instead, or {_RECIPE}."
            ) from error


@contextmanager
def _short_patience(local: bool) -> Iterator[str | None]:
    """Switch huggingface_hub's offline mode on when the hub does not answer; says why the hub is out of reach."""
    from huggingface_hub import constants

    if local:
        yield None
    elif constants.HF_HUB_OFFLINE:
        yield "HF_HUB_OFFLINE is set"
    elif _hub_answers(constants.ENDPOINT, int(time.monotonic() // _REMEMBER_S)):
        yield None
    else:
        constants.HF_HUB_OFFLINE = True
        try:
            yield f"{constants.ENDPOINT} cannot be reached"
        finally:
            constants.HF_HUB_OFFLINE = False


@lru_cache(maxsize=1)
def _hub_answers(endpoint: str, minute: int) -> bool:
    """Whether ``endpoint`` says anything within five seconds; ``minute`` lets the answer expire."""
    heard = threading.Event()

    def ask() -> None:
        from huggingface_hub import get_session

        try:
            get_session().head(endpoint, timeout=_PATIENCE_S)
        except Exception:  # no name, no route, no certificate, no proxy: whatever it is, the hub is out of reach
            return
        heard.set()

    # In a thread, since no timeout bounds the look-up of a name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return heard.is_set()


def _reason(error: Exception, out_of_reach: str | None) -> str | None:
    """Why the weights did not load, in a few words; None for what has nothing to do with them."""
    from huggingface_hub import errors
    from safetensors import SafetensorError

    causes = list(_causes(error))
    known: list[tuple[type[BaseException], str]] = [
        (errors.GatedRepoError, "its repository is gated: accept its terms on the hub and run `hf auth login`"),
        (
            errors.RepositoryNotFoundError,
            "no such folder is here, and the hub knows no such model, or shows it only after `hf auth login`",
        ),
        (errors.HFValidationError, "it is neither a folder here nor a possible hub id"),
        (SafetensorError, "its weights file is damaged"),
        (UnpicklingError, "its weights file is damaged"),
        (json.JSONDecodeError, "one of its JSON files is damaged"),
    ]
    for kind, reason in known:
        if any(isinstance(cause, kind) for cause in causes):
            return reason
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return "the disk is full"
    if out_of_reach and isinstance(error, OSError):
        return f"no such folder is here, {out_of_reach}, and the local hub cache holds no complete copy"
    if any(type(cause).__module__.split(".")[0].startswith("httpx") for cause in causes):
        return "the connection to the hub broke off"
    return _reason_from_message(error)


def _reason_from_message(error: Exception) -> str | None:
    """For what transformers raises as a plain OSError, ValueError, RuntimeError, ImportError or Exception."""
    message = str(error)
    if "backend tokenizer" in message or type(error) is Exception:  # the tokenizers library raises bare Exceptions
        return "its tokenizer files are missing or damaged"
    if "Unrecognized model in" in message:
        return "its config.json names no model type"
    if "ignore_mismatched_sizes" in message:
        return "its weights do not fit its config.json"
    if isinstance(error, (OSError, ValueError, ImportError)):
        return message.strip().split("\n")[0].split(". ")[0].rstrip(".:") or type(error).__name__
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
