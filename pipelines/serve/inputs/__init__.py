"""What comes from outside.

receiving.py   bodies of requests, onto the disk
checks.py      uploaded files: what they are, and whether they are too large
options.py     options of requests
addresses.py   which addresses may be fetched
fetching.py    clips from an address
"""
