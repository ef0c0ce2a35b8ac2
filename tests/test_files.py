"""Folders in which one process works at a time."""

import fcntl
import os
import subprocess
import sys

from emollm.files import hold


def test_a_process_that_outlives_its_call_keeps_the_folder(tmp_path, capsys, monkeypatch):
    lock = hold(tmp_path, "An earlier call")
    outliving = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    os.close(lock)
    real = fcntl.flock

    def flock(file, how):
        if how == fcntl.LOCK_EX:  # it is about to wait
            assert "at work" in capsys.readouterr().err
            outliving.communicate(b"\n")
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    os.close(hold(tmp_path, "An earlier call"))
    assert outliving.returncode == 0, "it was waited for"
    os.close(hold(tmp_path, "An earlier call"))
    assert not capsys.readouterr().err
