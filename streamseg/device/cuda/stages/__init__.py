"""The steps of a GPUPipeline, in order; each queues its work on one stream and keeps its results in GPU memory.

motion.py     GPUMotionEstimator: optical flow, confidence and content of each frame
brightness.py Brightness: the image before made as bright as an image
inference.py  InferenceScheduler: which part of which frame the network sees, and the inference
filter.py     MatteFilter: the matte through time: filtered, smoothed, averaged
finish.py     Finisher: mattes at the frame's size, edges, composites; their download
blur.py       Blur: the frame's own background, blurred
"""
