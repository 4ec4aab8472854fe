"""What holds under sustained load: throughput, latency, errors, the rate limit."""
