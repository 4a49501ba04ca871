"""The matting backend in C: compiled at installation from ``kernels/``."""
