"""The chosen subject: what a user points at, and how it is told from everything else that stands out.

choice.py       points, boxes and how many: SubjectChoice
regions.py      connected regions of a mask
partition.py    a map divided between two sets of seeds
appearance.py   the colours of the subject and of the others
candidates.py   the crops around a mark, and which of their maps shows the subject best
parts.py        the other parts of a subject that something thin divides
selection.py    the subject from frame to frame
"""
