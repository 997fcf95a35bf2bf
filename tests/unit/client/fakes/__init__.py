"""Small services that answer as the protos say, from memory, and break when a test wants them to."""
