"""NVIDIA GPUs as a device: torch for memory, streams and the network, CuPy for kernels of our own.

    device.py     CUDADevice: frames to network input, saliency, composites, one step at a time
    pipeline.py   GPUPipeline: all of a frame on the GPU, from its upload to its download
    options.py    how the pipeline makes mattes
    in_flight.py  the frames that are in the pipeline
    stages/       the steps of the pipeline: motion, inference, temporal filter, output
    buffers/      planes in GPU memory, rings of buffers, transfers to and from the host
    kernels/      the kernels in CUDA C++, compiled at run time
    convolutions/ how the network's convolutions are computed, and which way is the fastest
    network.py    the network in torch, captured in CUDA graphs
    selfie.py     the network that finds people near the camera, and its map mixed with the other's
    platform.py   what all of this needs of torch and CuPy
    capture.py    CUDA graphs, captured one at a time
    colour.py     the matrix from code values to RGB
    limits.py     the GPU's speed limits, measured and rated
    failures.py   errors of torch and CuPy as errors of streamseg

Nothing here is imported before a GPU is asked for; torch and CuPy come with ``pip install "streamseg[cuda]"``.
"""
