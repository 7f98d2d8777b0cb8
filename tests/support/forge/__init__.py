"""Code forges for tests: real git underneath, real HTTP on loopback on top, and the true rules of a platform between.

`core` is what all share (repository, pull requests, diffs, people, tokens, comments), `server` speaks HTTP, `faults`
break it on demand, `contract` holds requests and answers against the official descriptions; one file a platform says
what its API looks like.
"""
