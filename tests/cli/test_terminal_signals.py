"""Ctrl-C: once a command has been asked to end, a further one does not cut off what it saves and says."""

import signal

import pytest

from simulator.cli.terminal import uncut


def test_ctrl_c_ends_until_the_end_has_begun_and_is_ignored_from_there():
    before = signal.getsignal(signal.SIGINT)
    with uncut() as end:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        end()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
