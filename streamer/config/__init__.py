"""The settings: one table of rows that feeds flags, `STREAMER_*` environment, TOML file and docs."""

from streamer.config.rows import SETTINGS, SettingRow
from streamer.config.settings import Settings
from streamer.config.sources import data_dir, load

__all__ = ["SETTINGS", "SettingRow", "Settings", "data_dir", "load"]
