"""Where changes come from and reviews go to: one file a platform."""
