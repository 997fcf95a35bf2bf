"""Makes sampler graphs smaller and faster, and measures what that costs."""
