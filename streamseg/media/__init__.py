"""Everything that touches FFmpeg, files and screens: readers, writers, conversion, windows."""
