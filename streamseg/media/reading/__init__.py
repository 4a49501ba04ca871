"""From files, pipes and addresses to frames.

restriction.py what may be opened, where inputs come from strangers
source.py      opens inputs and chooses the video stream
dump.py        what containers say of streams, by FFmpeg's own description
decoder.py     decodes one video stream; passes on the packets of the others
timeline.py    mends the clock of packets: jumps, wrong stamps
stamps.py      time stamps of frames, strictly rising
rate.py        the nominal frame rate
durations.py   how long frames are shown
span.py        the part that is read, and the time that counts as zero
preroll.py     what has to be decoded before its first frame
info.py        what is known of a video before it is read
integrity.py   detects damage
reader.py      VideoReader: upright frames of one stream, and packets to be copied
"""
