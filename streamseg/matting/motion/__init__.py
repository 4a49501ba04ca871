"""Optical flow between two frames: where each pixel was, and how far that can be trusted."""
