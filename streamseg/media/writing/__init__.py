"""From frames to files.

target.py           container, encoder and pixel format for an output's name
formats.py          pixel formats of encoders, and which of them phones and browsers play
origin.py           what an output takes over from its source: time base, tags, chapters, timecode
timecode.py         SMPTE timecodes
output_file.py      an output gets its final name only when it is complete
writer.py           writes frames and packets into a video file
video_track.py      encodes the frames
scheduling.py       encoders take no real-time priority
hdr.py              static HDR metadata as settings of encoders
companions/         the streams beside the video: copied, encoded anew, or left out by name
fragments.py        MP4 files that were cut off
display_size.py     pixels that are not square, in Matroska
rising.py           decoding time stamps that rise
image_sequence.py   frames as numbered PNGs
"""
