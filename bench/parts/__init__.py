"""What the benchmarks share: traffic as browsers send it, a client that sends it, stores and processor time."""
