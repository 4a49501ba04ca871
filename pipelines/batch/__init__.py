"""``streamseg batch``: many files, or one long one, by many workers.

command.py    options, and what the command does
inputs.py     files, folders, patterns, lists; names of outputs
jobs.py       options for single files, in CSV or JSON Lines
manifest.py   what was made of what, to go on from
probe.py      how long files are
scheduler.py  which task runs when, and what follows
tasks.py      what a worker does
executor.py   what the scheduler wants of those who run tasks
pool.py       processes on this machine
worker.py     what such a process does
cluster.py    Ray
transfer.py   paths and URLs
report.py     progress, JSON lines, table
split/        one long file over many workers
"""
