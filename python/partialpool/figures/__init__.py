"""One function a figure; each takes or returns matplotlib objects."""
