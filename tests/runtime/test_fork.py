"""Objects with threads in forked children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# In a process of its own, because pytest's has threads and modules that others have loaded.
CODE = """
import os
from streamseg.errors import StreamsegError
from streamseg.runtime import SameProcess, forget_in_children, never_destroy

class Threaded:
    forgotten = 0
    def forget_threads(self):
        never_destroy(self)
        self.forgotten += 1
    def __del__(self):
        print("destroyed", flush=True)

one, gone = Threaded(), Threaded()
guard = SameProcess("this object", StreamsegError)
guard.check()
forget_in_children(one)
forget_in_children(gone)
del gone
child = os.fork()
if not child:
    print("in the child:", one.forgotten, flush=True)
    try:
        guard.check()
    except StreamsegError as error:
        print(error, flush=True)
    raise SystemExit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), one.forgotten, flush=True)
"""


def test_what_children_forget_and_what_is_an_error_there():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    first, child, message, parent, last = done.stdout.splitlines()
    assert (first, last) == ("destroyed", "destroyed")  # both of the parent; what the child forgets is not
    assert (child, parent) == ("in the child: 1", "7 0")
    assert message.startswith("this object was made before this process was forked")
