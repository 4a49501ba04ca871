"""Mattes and compositing: pure functions on arrays, in NumPy.

motion/         optical flow between two frames and how far it can be trusted
tracking/       the region of interest (ROI) and the schedule of inferences
choosing/       the chosen subject: points, regions, and which of what is found is kept
temporal/       the matte through time: a per-pixel Kalman filter, smoothing, averaging
edges/          from the matte grid to the frame's size: refinement of the uncertain band
compositing/    the over operator, cut-outs, the blurred background
mixing.py       the saliency map and that of a network for selfies, for near people
backend.py      the steps that take time, as one interface with several implementations
constants.py    every constant that NumPy, C and CUDA share
"""
