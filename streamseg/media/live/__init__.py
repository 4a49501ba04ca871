"""Live frames.

camera.py           Camera: frames of a camera, an address or a file
devices.py          the cameras of this machine, and how they are opened
modes.py            sizes, formats and frame rates of a camera, and which is chosen
v4l2.py             the modes of a camera on Linux
microphone.py       Microphone: its sound, or that of a file or an address
reopening.py        opens what was lost again
stills.py           frames that come as single images
clock.py            time stamps of live frames
virtual_camera.py   a camera that other programs can use
window.py           a window on the screen
opencv.py           imports OpenCV
"""
