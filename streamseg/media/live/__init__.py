"""Live frames.

camera.py           Camera: frames of a camera, an address or a file
devices.py          the cameras of this machine
stills.py           frames that come as single images
clock.py            time stamps of live frames
virtual_camera.py   a camera that other programs can use
window.py           a window on the screen
opencv.py           imports OpenCV
"""
