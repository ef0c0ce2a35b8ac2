"""``emollm`` and ``python -m emollm``: the verbs, each imported only when it is asked for."""

from __future__ import annotations

import errno
import os
import sys

from emollm import __version__
from emollm.errors import UserError

TRAINER_VERBS = {
    "fit": "train a model from a recipe:      emollm fit --config configs/whisper_smollm2.yaml",
    "validate": "measure on the validation part:   emollm validate --config RECIPE --ckpt_path FILE",
    "test": "measure on the test part:         emollm test --config RECIPE --ckpt_path FILE",
    "predict": "label recordings:                 emollm predict FOLDER",
}
OTHER_VERBS = {
    "crossval": "fit and test every fold:          emollm crossval --config configs/probe_whisper.yaml",
    "prompts": "measure prompt templates:         emollm prompts --config configs/meld_context.yaml",
    "results": "one table of stored runs:         emollm results runs",
    "models": "list the weights that are packaged, cached and usable",
    "export": "write a trained model as one folder: emollm export FILE --output FOLDER",
}
_GO_ON = {
    "fit": "--ckpt_path FOLDER/checkpoints/last.ckpt beside the same command goes on where it stopped",
    **dict.fromkeys(("test", "validate"), "what was written stays, and the same command begins anew"),
    **dict.fromkeys(("predict", "crossval", "prompts"), "the same command goes on where it stopped"),
}
_PLACES = {
    *(errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG),
}
"""What is wrong with a place on the disk that the user named, and not with the program."""


def usage() -> str:
    """The front page of ``emollm --help``."""
    verbs = {**TRAINER_VERBS, **OTHER_VERBS}
    lines = [f"  {verb:<9} {text}" for verb, text in verbs.items()]
    return "\n".join(
        [
            f"emollm {__version__}: hears how people feel.",
            "",
            "usage: emollm VERB [options]",
            "",
            *lines,
            "",
            "emollm VERB --help shows every option of a verb. A flag beats the YAML given by --config,",
            "and the YAML beats what a checkpoint remembers.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run a verb.

    Returns:
        The exit status: 0, or 2 with one sentence on stderr when the input is at fault.
    """
    argv = sys.argv[1:] if argv is None else argv
    verb, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    try:
        if verb in ("-h", "--help"):
            print(usage(), flush=True)
        elif verb in ("-V", "--version"):
            print(__version__, flush=True)
        elif verb in TRAINER_VERBS and rest in (["-h"], ["--help"]):
            from emollm import helptext

            helptext.show(verb, lambda: _run(argv))
        elif verb in TRAINER_VERBS:
            _run(argv)
        elif verb == "models":
            from emollm.verbs.models import main as models

            return models(rest)
        elif verb == "crossval":
            from emollm.verbs.crossval import main as crossval

            return crossval(rest)
        elif verb == "prompts":
            from emollm.verbs.prompts import main as prompts

            return prompts(rest)
        elif verb == "results":
            from emollm.verbs.results import main as results

            return results(rest)
        elif verb == "export":
            from emollm.verbs.export import main as export

            return export(rest)
        else:
            raise UserError(
                f"There is no verb '{verb}': choose one of {', '.join([*TRAINER_VERBS, *OTHER_VERBS])}."
            )
    except (UserError, ValueError) as error:
        # What a constructor says, jsonargparse wraps: another type might have taken the value.
        said = error if isinstance(error, UserError) else error.__cause__
        if not isinstance(said, UserError):
            raise
        print(f"emollm: {said}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print(f"emollm: interrupted; {_GO_ON.get(verb, 'nothing is kept')}.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # written to, a file no longer tells its name
            place, then = error.filename or "the output or the cache", _GO_ON.get(verb, "try again")
            print(f"emollm: the disk of {place} is full, or your share of it: make room; {then}.", file=sys.stderr)
            return 2
        if error.errno not in _PLACES or error.filename is None:
            raise
        print(f"emollm: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


def _run(argv: list[str]) -> None:
    from emollm.startup import import_libraries

    import_libraries()
    from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
    from torch import OutOfMemoryError

    from emollm.cli import run

    try:
        run(argv)
    except OutOfMemoryError as error:
        then = _GO_ON.get(argv[0], "nothing is kept")
        raise UserError(
            "The GPU's memory is full: take fewer at a time with --data.batch_size, or, where some recordings are "
            f"far longer than others, with --data.batch_tokens; {then}."
        ) from error
    except MisconfigurationException as error:  # options of the trainer that do not go together
        raise UserError(" ".join(str(error).split())) from error
    except SIGTERMException as error:
        # Lightning ends with status 0, as if the work were done: schedulers and crossval would believe it.
        print(f"emollm: stopped by SIGTERM; {_GO_ON.get(argv[0], 'nothing is kept')}.", file=sys.stderr)
        raise SystemExit(143) from error
    except SystemExit as error:
        # Lightning says nothing of Ctrl-C, and ends with status 1.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


if __name__ == "__main__":
    sys.exit(main())
