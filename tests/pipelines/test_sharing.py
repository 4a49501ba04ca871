"""One Segmenter for many threads, and in forked children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streamseg.device.cpu.integer.network import integer_network_supported

# In a process of its own: a fault here ends the process or never answers. {network} chooses what runs the network.
SETUP = """
import os, signal, sys, threading
import av
import numpy as np
import streamseg.device.cpu.open_network as opening
from streamseg.errors import StreamsegError
from streamseg.pipelines import Segmenter

signal.alarm(100)  # ends the process if it hangs
opening.integer_network_supported = lambda size=320: sys.argv[1] == "integer"
with av.open(sys.argv[2]) as clip:
    rgb = next(clip.decode(video=0)).reformat(320, 240).to_ndarray(format="rgb24")
del clip
images = [rgb, rgb[:, ::-1], rgb[::2, ::2], np.full((64, 48, 3), 90, np.uint8)]
segmenter = Segmenter(input_size=128)  # small, as many inferences follow
expected = [segmenter(image).alpha for image in images]

def is_right(number):
    alpha = segmenter(images[number % 4]).alpha
    return alpha.shape == expected[number % 4].shape and np.abs(alpha.astype(int) - expected[number % 4]).max() <= 2
"""
THREADS = """
results = []

def work(number):
    for k in range(3):
        results.append(is_right(number + k))

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(results) == 24 and all(results))
"""
CHILDREN = """
def child(number):
    done = [None, None]
    def work(k):
        done[k] = is_right(number + k)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(0 if all(done) else 1)  # ends as other programs do, with all destructors

children = []
for number in range(4):
    children.append(os.fork())
    if not children[-1]:
        signal.alarm(80)
        child(number)
print([os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children], is_right(0))
"""
CHILD_ERRORS = """
from streamseg.media.images import image_frame
from streamseg.pipelines.live import LivePipeline

pending = segmenter.device.network(segmenter.device.prepare(image_frame(rgb)))
child = os.fork()
if not child:
    signal.alarm(80)
    try:
        segmenter.device.saliency(pending)
    except StreamsegError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
segmenter.device.saliency(pending)
with LivePipeline(segmenter.device.another()) as pipeline:
    child = os.fork()
    if not child:
        signal.alarm(80)
        for use in (lambda: pipeline.put(image_frame(rgb)), pipeline.get):
            try:
                use()
            except StreamsegError as error:
                print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module", params=["integer", "openvino"])
def told(request, sample_clip):
    """What each part of the program prints, in lines; all parts in one process, as its start is what takes longest."""
    if request.param == "integer" and not integer_network_supported():
        pytest.skip("the integer kernels do not run here")
    parts = [THREADS, CHILDREN, CHILD_ERRORS] if hasattr(os, "fork") else [THREADS]
    code = SETUP + "print('--', flush=True)".join(parts)
    command = [sys.executable, "-c", code, request.param, str(sample_clip)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [part.strip().splitlines() for part in done.stdout.split("--")]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_eight_threads_get_the_right_mattes(told):
    assert told[0] == ["True"]


@needs_fork
def test_forked_children_get_the_right_mattes(told):
    assert told[1] == ["[0, 0, 0, 0] True"]


@needs_fork
def test_inferences_and_live_pipelines_of_the_parent_are_errors_in_the_child(told):
    inference, *live = told[2]
    assert "before this process was forked" in inference
    assert len(live) == 2 and all("this LivePipeline was made before" in message for message in live)
