"""``streamseg serve``: pictures, clips and live frames over HTTP. Needs the extra ``serve`` (FastAPI, uvicorn).

command.py    the options
settings.py   limits of the service, checked
server.py     uvicorn: start, signals, an orderly end
app.py        the application: routes, errors
documentation.py   what /docs says beside the code: bodies, examples, errors
service.py    what all requests share: network, jobs, figures
access.py     before every request: token, origin, figures
refusal.py    a request that is not served, and why
pictures.py   POST /v1/images
clips.py      /v1/clips
jobs.py       jobs: a queue, workers, results that are deleted in time
clip_work.py  what a worker does with a clip
live.py       the WebSocket /v1/live
metrics.py    figures for Prometheus
inputs/       what comes from outside: uploads, addresses, options
"""
