"""From files, pipes and addresses to frames.

source.py      opens inputs and chooses the video stream
decoder.py     decodes one video stream; passes on the packets of the others
integrity.py   detects damage
reader.py      VideoReader: upright frames of one stream, and packets to be copied
"""
