"""A clip, a picture and a looped video to try things with."""
