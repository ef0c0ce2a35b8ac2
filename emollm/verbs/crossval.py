"""``emollm crossval``: every fold of a recipe fitted and tested, and one report of all of them."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from emollm.arguments import chosen, pairs
from emollm.errors import UserError
from emollm.quiet import hush
from emollm.startup import import_libraries

_TEST_OPTIONS = ("ablations", "baselines")


def main(argv: list[str]) -> int:
    """Fit and test every fold, going on where an earlier call stopped.

    Args:
        argv: the arguments behind the verb.

    Returns:
        0, or 1 when a fold failed.
    """
    asked, args = _parser().parse_known_args(argv)
    import_libraries()  # which --help does without
    from emollm.begun import state_of
    from emollm.crossval.folder import begin
    from emollm.crossval.folds import folds_of
    from emollm.crossval.job import Job
    from emollm.crossval.report import report
    from emollm.files import hold

    hush()  # Lightning, imported by now, sets its own levels when it is
    options = pairs(args)
    configs = [value for name, value in options if name in ("--config", "-c")]
    if not configs:
        raise UserError("crossval needs a recipe: emollm crossval --config configs/probe_whisper.yaml.")
    if any(name in ("--ckpt_path", "--model") for name, _ in options):
        raise UserError("crossval takes no --ckpt_path or --model: it goes on by itself where it was stopped.")
    folds = folds_of(args)
    names, seeds = _chosen(asked.folds, folds.names), _seeds(asked.seeds)
    test_args = [_option(name, value) for name in _TEST_OPTIONS if (value := getattr(asked, name)) is not None]
    environment = {} if asked.jobs == 1 else {"OMP_NUM_THREADS": str(_threads(asked.jobs))}
    output = (
        Path(asked.output).expanduser() if asked.output else Path("runs") / "crossval" / Path(configs[-1]).stem
    )
    output.mkdir(parents=True, exist_ok=True)
    # The processes of the folds inherit it: one that outlives a call killed by SIGKILL still writes there.
    lock = hold(output, "An earlier call, or a fold that outlived it,")
    try:
        tests = {name: getattr(asked, name) for name in _TEST_OPTIONS}
        begin(output, state_of(args, configs, **tests, data=folds.data), asked.restart)
        common = (output, folds.flag, args, test_args, environment, lock)
        jobs = [Job(fold, seed, *common) for seed in seeds for fold in names]
        _run(jobs, asked.jobs)
        # Those of earlier calls too: folds may be asked for one by one.
        seeds = _all_seeds(seeds, output)
        done = [job for seed in seeds for fold in folds.names if (job := Job(fold, seed, *common)).done]
        if done:
            recipe = "\n".join(Path(path).expanduser().read_text(encoding="utf-8") for path in configs)
            command = shlex.join(["emollm", "crossval", *argv])
            report([job.tested for job in done], output, command, recipe, len(folds.names), len(seeds))
    finally:
        if lock is not None:
            os.close(lock)
    return 0 if all(job.done for job in jobs) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emollm crossval",
        usage="emollm crossval --config RECIPE [options] [any option of emollm fit]",
        description="Fit and test every fold of a recipe's protocol, and write one report of all of them. The "
        "same command again goes on where it was stopped.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--folds", default="all", help="which ones, as 1,3 (default: all)")
    add("--seeds", help="fit every fold once a seed, as 0,1,2; sets seed_everything, model.seed and data.seed")
    add(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="folds at the same time (default: 1); each takes the memory of a whole fit, of the GPU too, and they "
        f"share the cores, which are {_cores()} here: OMP_NUM_THREADS is divided by N",
    )
    add("--output", help="folder of the report and of every fold (default: runs/crossval/NAME OF THE RECIPE)")
    add("--restart", action="store_true", help="forget what an earlier call left in the output folder")
    add("--ablations", help="all, none, or names with commas, as of emollm test (default: its own)")
    add("--baselines", help="all, none, or names with commas, as of emollm test (default: its own)")
    return parser


def _chosen(asked: str, known: list[str]) -> list[str]:
    if asked == "all":
        return known
    names = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UserError(f"--folds is '{asked}': the recipe's protocol has the folds {', '.join(known)}.")
    return names


def _seeds(asked: str | None) -> list[int | None]:
    if asked is None:
        return [None]
    try:
        return list(dict.fromkeys(int(seed) for seed in asked.split(",")))
    except ValueError as error:
        raise UserError(f"--seeds is '{asked}': write whole numbers with commas, as 0,1,2.") from error


def _all_seeds(seeds: list[int | None], output: Path) -> list[int | None]:
    """Seeds that are asked for, and those that an earlier call has fitted; none where none is named."""
    if None in seeds:
        return seeds
    names = (folder.name.rpartition("_seed_")[2] for folder in output.glob("fold_*_seed_*"))
    return list(dict.fromkeys([*seeds, *sorted(int(name) for name in names if name.lstrip("-").isdecimal())]))


def _option(name: str, value: str) -> str:
    """What is tested beside the model, as ``emollm test`` takes it; checked before anything is fitted."""
    from emollm.baselines import BASELINES
    from emollm.data.ablations import ABLATIONS

    known = BASELINES if name == "baselines" else ABLATIONS
    names = chosen(f"--{name}", value, known)
    return f"--{name}={value}" if value in ("all", "none") else f"--{name}=[{','.join(names)}]"


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads(jobs: int) -> int:
    """Threads of one of several processes, so that all of them together have what one would have."""
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}: at least one fold runs at a time.")
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, (int(given) if given.isdecimal() else _cores()) // jobs)


def _run(jobs: Sequence[Any], workers: int) -> None:
    """Run what is not done, so many at a time; a line as each is finished.

    Where none was done before and the first two fail alike, no other is begun: the recipe is at fault, not a fold.
    """
    waiting = [job for job in jobs if not job.done]
    for job in jobs:
        if job.done:
            print(f"{job.name}: {_ua(job)}, done before", flush=True)
    # A fold must not go on training when this process is asked to end.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start, left = time.monotonic(), len(waiting)
    faults, fresh = [], len(waiting) == len(jobs)
    try:
        with ThreadPoolExecutor(workers) as pool:
            running: dict[Future[bool], Any] = {pool.submit(job.run): job for job in waiting}
            try:
                for future in as_completed(running):
                    if future.cancelled():
                        continue
                    left -= 1
                    _tell(running[future], future.result(), left, time.monotonic() - start)
                    faults.append("" if future.result() else running[future].last_lines())
                    if fresh and len(faults) == 2 and faults[0] == faults[1] != "":
                        stopped = sum(other.cancel() for other in running)
                        left -= stopped
                        print(f"The same fault twice: {stopped} more were not begun.", file=sys.stderr, flush=True)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for job in running.values():
                    job.stop()
                raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(job: Any, done: bool, left: int, seconds: float) -> None:
    if done:
        print(f"{job.name}: {_ua(job)}, {left} to go after {seconds / 60:.1f} min", flush=True)
    else:
        print(f"{job.name} failed; the end of {job.log}:\n{job.last_lines()}", file=sys.stderr, flush=True)


def _ua(job: Any) -> str:
    summary = job.tested.content()["summary"]
    return f"UA {100 * summary['result']['ua']:.1f} %" if summary else "no labels were scored"
