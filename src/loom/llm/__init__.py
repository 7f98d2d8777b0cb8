"""Models: one file a wire format; hosts are rows of data."""
