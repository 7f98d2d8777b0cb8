"""The review itself: plan, run, anchor, aggregate."""
