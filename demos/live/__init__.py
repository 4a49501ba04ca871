"""Live frames of the demo: from the browser's camera to the composite on the page.

    view.py             the live view on the page, and the functions that its script calls on the server
    session.py          the shared device, and one visitor's pipeline on it
    peer.py             a visitor's WebRTC connection
    still_fallback.py   single JPEGs where WebRTC finds no connection
    aiortc_settings.py  settings for which aiortc has no parameters

The script in the browser is assets/live_view.js.
"""
