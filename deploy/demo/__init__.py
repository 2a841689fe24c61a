"""The network's year: an invented 2021 loaded through the public API, checked figure by figure, and kept moving.

`network` makes the requests, `recount` says what the dashboard must show for them, `load` sends them,
`trickle` goes on with made-up activity of today.
"""
