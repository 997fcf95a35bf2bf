"""Measures the augmentation service, beside the same policy in a process without one."""
