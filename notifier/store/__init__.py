"""What is kept: the snapshot, the events, the outbox and the sweeps' figures; the only package that knows SQL."""
