"""The streams beside the video.

add.py        copied, encoded anew where the output refuses them, or left out by name
copied.py     streams whose packets are copied
covers.py     cover images
audio.py      audio that is encoded anew
layouts.py    channel layouts of audio
describe.py   what a companion takes over from its source, and what it is called
"""
