"""Planes in GPU memory and the way to and from it.

planes.py    DeviceFrame: the planes of a frame in GPU memory, as the kernels see them
transfer.py  FrameSlot: the same planes on the host and on the GPU, with copies between them
ring.py      Ring: buffers that are allocated once and reused
decoded.py   DecodedFrames: frames of the GPU's own decoder, copied within the GPU
"""
