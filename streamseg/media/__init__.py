"""Reading, writing and converting media with FFmpeg (PyAV), and live devices.

    pixels/      frames in memory: PyAV's frames, conversion of size, pixel format and colour, orientation
    silence.py   libraries that warn of what is none of a user's business
    icc.py       ICC profiles, converted to sRGB
    primaries.py colours of named primaries, converted to sRGB
    heif.py      HEIC and AVIF images of several tiles
    reading/     video files, pipes and addresses → frames and packets
    content.py   what a file is by its first bytes, and how large its images are, before they are decoded
    images.py    still images: read and encode
    writing/     frames and packets → video files and folders of images
    gpu/         decoding and encoding on an NVIDIA GPU
    live/        cameras, virtual cameras and windows

Each of the first ten imports only from those above it; live/ imports from pixels/ and reading/.
"""
