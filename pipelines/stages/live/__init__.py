"""Live frames on their way from a pipeline's input to its output, on the host or on a GPU.

base.py   what both take and give: LiveSettings, Composite, LiveStages
host.py   HostStages: motion, tracking and composite on the host, with the network of any device
gpu.py    GPUStages: all of it on a GPU
"""
