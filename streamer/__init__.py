"""Streamer: text in over a WebSocket, packets of speech out, first sound in tens of milliseconds."""
