"""Runs the command line in several processes that form one group, as a launcher on a cluster would."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import REPOSITORY


def run_commands(folder: Path, *commands: list[str], processes: int = 2, strategy: str = "ddp") -> list[str]:
    """Run commands one after the other in each of some processes.

    Args:
        folder: where they run.
        commands: arguments of emollm; those that say how many processes there are, are added.
        processes: how many.
        strategy: how they work together.

    Returns:
        What each process printed, errors included.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    common = {**os.environ, **group, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    group_of = [
        "--trainer.accelerator",
        "cpu",
        "--trainer.strategy",
        strategy,
        "--trainer.devices",
        str(processes),
    ]
    lines = json.dumps([[*map(str, command), *group_of] for command in commands])
    logs = [folder / f"process_{rank}.txt" for rank in range(processes)]
    running = []
    for rank, log in enumerate(logs):
        with log.open("w") as stream:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.side_by_side", lines],
                    cwd=folder,
                    env={**common, "LOCAL_RANK": str(rank), "NODE_RANK": "0"},
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        # Whoever fails leaves the others waiting for him.
        while None in (codes := [process.poll() for process in running]) and not any(codes):
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
            process.wait()
    said = [log.read_text() for log in logs]
    assert codes == [0] * processes, "\n".join(said)
    return said


def _main() -> int:
    from emollm.__main__ import main

    return max(main(arguments) for arguments in json.loads(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(_main())
