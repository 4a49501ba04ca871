"""The stages between a source and a sink: plain objects without threads, called one frame at a time.

options.py          Matting and Speed: how mattes are made
matting.py          the stages from a frame to a cut-out, in order
motion.py           frame → TrackedFrame: the motion since the frame before
tracking.py         TrackedFrame → TrackedFrame with its matte: the network and the temporal filter
smoothing.py        TrackedFrame → TrackedFrame whose matte knows the next frames
effect.py           frame and matte → the frame to write
gpu.py              all of this on a GPU
live_background.py  the effect of live frames, which can be changed while they run
interval.py         how often the network runs on live frames
"""
