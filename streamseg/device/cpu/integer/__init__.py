"""The packaged network in integer kernels of our own, for x86 processors with AVX2: see README.md.

network.py       IntegerNetwork, and whether it runs on this processor
network_plan.py  U²-Net† as a list of steps
plan.py          steps, their memory, and how threads share a run
packing.py       weights in the layout that the kernels read
kernels/         the steps in C
"""
