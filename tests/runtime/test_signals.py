"""Signals while the main thread waits for a run, in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from streamseg.runtime import Runner, Stage

HEAD = """
import itertools, os, random, signal, sys, threading
from streamseg.runtime import Runner, Stage

def silent():
    yield 1
    signalled.wait()
    threading.Event().wait()

def kill(number):
    os.kill(os.getpid(), number)

def send(item):
    # Once, while the main thread waits: Python's locks cannot be interrupted while a thread starts.
    if item == WHEN:
        kill(NUMBER)
    return item

# It is ignored when the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
signalled = threading.Event()
signalled.set()
consume = {"run": lambda runner: runner.run(), "stream": lambda runner: [None for _ in runner]}[sys.argv[1]]
"""

STOPS_A_SILENT_SOURCE = """
NUMBER, WHEN = signal.SIGTERM, 1
runner = Runner(silent(), [Stage("one", lambda item: item), Stage("last", send)])
signal.signal(NUMBER, lambda *_: (runner.stop(), runner.stop()))
consume(runner)
assert runner.statistics.stopped and runner.statistics.abandoned_source
assert runner.statistics.items == 1
"""

KEYBOARD_INTERRUPT = """
NUMBER, WHEN = signal.SIGINT, 1000
runner = Runner(itertools.count(), [Stage("one", lambda item: item), Stage("last", send)])
try:
    consume(runner)
except KeyboardInterrupt:
    assert threading.active_count() == 1, threading.enumerate()
    assert runner.statistics.stopped
else:
    raise AssertionError("no KeyboardInterrupt")
"""

AT_ANY_MOMENT = """
def later(*_):
    (runner.stop if chance.random() < .7 else runner.abort)()

chance = random.Random(1)
signal.signal(signal.SIGALRM, later)
for _ in range(150):
    stages = [Stage("one", lambda item: item)] * chance.randint(sys.argv[1] == "run", 2)
    runner = Runner(itertools.count(), stages, queue_size=chance.randint(1, 3))
    signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 6e-3))
    consume(runner)
    assert runner.statistics.stopped
assert threading.active_count() == 1, threading.enumerate()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("how", ["run", "stream"])
@pytest.mark.parametrize("script", [STOPS_A_SILENT_SOURCE, KEYBOARD_INTERRUPT, AT_ANY_MOMENT])
def test_signals(script: str, how: str) -> None:
    code = textwrap.dedent(HEAD + script)
    command = [sys.executable, "-W", "error", "-c", code, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_while_threads_start_leaves_none_behind(monkeypatch):
    """It comes between the launch of the first thread and the thread's own word that it runs."""
    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    launch = getattr(threading, name)
    ended = threading.Event()

    def launch_and_interrupt(*arguments, **options):
        result = launch(*arguments, **options)
        if not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)
        return result

    def source():
        threading.Event().wait(0.05)
        ended.set()
        yield 1

    interrupted: list[bool] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(threading, name, launch_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            Runner(source(), [Stage("sink", print)]).run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted
    assert ended.is_set()
    assert signal.getsignal(signal.SIGINT) == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamseg ")]
