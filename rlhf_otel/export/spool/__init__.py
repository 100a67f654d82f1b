"""The durable export spool: what has been prepared and not been acknowledged yet, in files that survive the process.

`frames` is the format, `locks` says whose a file is, `segments` are the files, `folder` is all of them with their
bounds, `spool` writes and adopts, `backlog` reads back what does not fit into memory.
"""
