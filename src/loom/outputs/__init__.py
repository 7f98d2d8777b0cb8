"""What a review looks like: one file a format."""
