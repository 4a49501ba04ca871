"""The demo: a page for the browser, for a camera or a clip. Needs the extra ``demo`` (Gradio and aiortc).

    app.py        the server: options, start, shutdown
    page.py       the page: tabs, controls, and what they do
    live/         live frames: the view on the page, WebRTC, the fallback without it
    clip.py       a visitor's clip through the pipeline for files
    choices.py    what the controls are set to, checked
    uploads.py    checks of uploaded files
    gallery.py    the backgrounds and the clip that come with the demo
    theme.py      theme and style sheets; reads assets/
    visitors.py   open pages, and what is kept of each until it is closed
    admission.py  how many may use the device at a time, and the queue
    assets/       JavaScript, CSS and HTML of the page

From the shell: ``streamseg demo``
"""
