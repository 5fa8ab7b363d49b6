"""Results and uploads: `FileStore`, and the forms of what a client says of a file."""

from streamer.files.forms import check_content_type, check_name, parse_data_uri
from streamer.files.rows import SCHEMA, new_id
from streamer.files.store import FileStore

__all__ = [
    "SCHEMA",
    "FileStore",
    "check_content_type",
    "check_name",
    "new_id",
    "parse_data_uri",
]
