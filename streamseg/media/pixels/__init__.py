"""Frames in memory.

native.py      between PyAV's frames and Frame, without copies
conform.py     frames of any kind → upright frames of one size and one planar format
scale.py       changes of size, pixel format and colour, by FFmpeg's swscale
orient.py      orientation: from the display matrix to upright planes
side_data.py   side data of decoded frames
hdr.py         static HDR metadata
captions.py    closed captions within frames
crop.py        parts of frames
gpu_frame.py   frames in GPU memory
"""
