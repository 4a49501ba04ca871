"""From frames to files.

target.py           container, encoder and pixel format for an output's name
origin.py           what an output takes over from its source: time base, tags, chapters
output_file.py      an output gets its final name only when it is complete
writer.py           encodes frames into a video file
audio.py            the streams beside the video: copied, or audio re-encoded
image_sequence.py   frames as numbered PNGs
"""
