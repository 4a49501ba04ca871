"""U²-Net and U²-Net†: architecture, weights, and the torch module; and a network for selfies.

architecture.py     both networks as plain data: stages, convolutions, names of the tensors
head.py             the side outputs, their upsampling and fusion, folded into few operations
u2net.py            the networks in torch, for training and for weights files
quantised.py        U²-Net† in 8-bit integers
weights.py          loads, checks and folds weights
weights_files.py    reads tensors from .safetensors, .pth and .onnx
weights_onnx.py     identifies the tensors of an ONNX export by its graph
selfie.py           MediaPipe's network for selfies as plain data, and its weights
selfie_torch.py     the same in torch
packaged.py         the weights that come with the package
published.py        pre- and post-processing as in the authors' script
work.py             multiplications and memory traffic of one inference
quiet_openvino.py   imports OpenVINO without its telemetry
"""
