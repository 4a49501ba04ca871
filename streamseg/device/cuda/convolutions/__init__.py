"""How the convolutions of the network are computed on a GPU.

cudnn.py           Convolutions: cuDNN's methods, and which of them computes a convolution
choice.py          MethodChoice: what was found to be the fastest, kept on disk
pooling.py         MaxPooling: without the indices of torch's
layers.py          Layers: a convolution and what is around it, by torch or by Triton
triton_kernels.py  such a layer as one kernel
"""
