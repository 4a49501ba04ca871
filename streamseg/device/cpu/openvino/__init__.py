"""The network on OpenVINO: any weights, any size, every processor.

network.py          OpenVINONetwork
graph.py            U²-Net in float32 as an ``openvino.Model``
quantised_graph.py  the packaged network in 8-bit integers as one
selfie.py           SelfieNetwork: MediaPipe's network for people near the camera
head.py             the side outputs and their fusion
core.py             OpenVINO's entry point, one for the process
compiling.py        compiles models and runs them
peak.py             the CPU's peak in matrix products, for benchmarks
"""
