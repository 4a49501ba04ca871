"""One long file over many workers.

plan.py       where it is cut, and what each part needs of the frames around it
part.py       makes a part: a VideoJob with frames before and after it that are not written
part_file.py  encoded packets of a part, in a file
join.py       one file of all parts, without encoding again
steps.py      the tasks of workers: plan, part, join
"""
