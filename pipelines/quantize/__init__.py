"""``streamseg quantize``: weights of U²-Net† in float32 to 8-bit integers.

    command.py       the options, and what is done with them
    calibration.py   images as the network sees them, and which are held back
    ranges.py        ranges of activations, and which convolutions read them
    absorption.py    constant parts of activations, moved into biases
    factors.py       factors of the costliest convolutions of the lite variant
    integers.py      weights in integers
    losses.py        what was lost, on images that were held back

Importing the package imports none of them; factors.py needs torch (extra ``train``).
"""
