"""A tool server: one segmenter for many environments and machines."""
