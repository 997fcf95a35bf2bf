"""Who may call: TLS, tokens, roles, quotas and the audit log of a service."""
