"""The APIs of hosted voices as this server is them, each mounted under its own prefix.

One row of `table.APIS` each; `base` has what their endpoints share.
"""
