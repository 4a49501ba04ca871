"""The CPU as a device.

device.py        CPUDevice: frames to network input, saliency, composites
open_network.py  chooses what runs the network
openvino/        the network on OpenVINO
integer/         the packaged network in integer kernels of our own
matting/         the matting backend in C
"""
