"""What all services share: configuration, errors, servers, jobs, the object store. Knows no service and no kind."""
