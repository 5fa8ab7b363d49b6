"""Cues spoken in time, and captions of what is spoken."""
