"""The CPU: OpenVINO runs the network."""
