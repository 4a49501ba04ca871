"""Decoding and encoding on an NVIDIA GPU, with the CPU as the fallback.

decoding.py   NVDEC: when it is used, and why not
encoding.py   NVENC: when it is chosen
"""
