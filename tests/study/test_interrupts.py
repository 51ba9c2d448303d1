"""Ctrl-C and workers: who starts meanwhile hears none, and here none is lost."""

import os
import signal
import subprocess
import sys

import pytest

from simulator.study.interrupts import unheard

ASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


def _told():
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_that_starts_meanwhile_hears_none_from_its_first_moment():
    with unheard():
        assert _told() == "True"
    assert _told() == "False"


def test_one_that_comes_meanwhile_is_not_lost():
    with pytest.raises(KeyboardInterrupt), unheard():
        os.kill(os.getpid(), signal.SIGINT)
