"""Frames over backgrounds, cut-outs with alpha, mattes to look at."""
