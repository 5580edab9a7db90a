"""Measures a running service from outside, and the published figures of this one."""
