"""Several processes of one service behind one port, for services that keep no state of their own.

`front` is the process that was started: it holds the port, starts the others and serves nothing itself; `keeper` starts
one of them again and again; `child` is what runs in it. `siblings` lets a call that means the whole service reach all
of them, and `metrics` makes one page of metrics of theirs. `port` takes the port that they share.
"""
