"""Whether the controller holds its promises in a large cluster: `make bench-scale`."""
