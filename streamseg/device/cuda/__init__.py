"""NVIDIA cards: torch for memory, streams and the network, CuPy for kernels of our own.

Nothing here is imported before a card is asked for; torch and CuPy come with ``pip install "streamseg[cuda]"``.
"""
