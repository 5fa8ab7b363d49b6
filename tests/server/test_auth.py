"""Keys on disk: what is kept, what is not, and that changes are seen at once."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from streamer.errors import (
    InvalidParameter,
    KeyRevoked,
    NotFound,
    ScopeMissing,
    Unauthenticated,
)
from streamer.server.auth import PREFIX, SCOPES, KeyStore
from streamer.server.limits import KeyLimits


def test_reading_makes_nothing(tmp_path: Path) -> None:
    assert KeyStore(tmp_path / "data").list() == ()
    assert not (tmp_path / "data").exists()


def test_only_the_hash_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    secret = KeyStore(directory).new("app", KeyLimits(contexts=2), ["speak"])
    assert secret.startswith(PREFIX)
    assert len(secret.removeprefix(PREFIX)) == 43  # 32 bytes in base64url without padding
    path = directory / "keys.json"
    assert secret.removeprefix(PREFIX) not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (key,) = KeyStore(directory).list()
    assert (key.name, key.limits.contexts, key.scopes) == ("app", 2, ("speak",))


def test_a_key_is_found_by_its_secret_alone(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    secrets = [store.new(name) for name in ("a", "b", "c")]
    assert [store.find(secret).name for secret in secrets] == ["a", "b", "c"]
    for wrong in ("", PREFIX, secrets[0] + "x", secrets[0][:-1], store.list()[0].sha256, "\udcff"):
        with pytest.raises(Unauthenticated):
            store.find(wrong)


def test_a_key_of_before_may_what_it_could_and_make_tokens(tmp_path: Path) -> None:
    """As a release wrote it that knew neither `manage` nor `tokens`."""
    store = KeyStore(tmp_path)
    secret = store.new("app")
    (key,) = store.list()
    old = msgspec.to_builtins(key)
    del old["generation"]
    for scopes, now in (
        (["speak", "usage"], {"speak", "usage", "manage", "tokens"}),
        (["speak", "usage", "metrics"], {*SCOPES} - {"publish", "listen"}),
        (["metrics"], {"metrics"}),
    ):
        (tmp_path / "keys.json").write_bytes(msgspec.json.encode([old | {"scopes": scopes}]))
        assert {*KeyStore(tmp_path).find(secret).scopes} == now
    (tmp_path / "keys.json").write_bytes(msgspec.json.encode([old | {"scopes": ["speak"]}]))
    store.new("narrow", scopes=["speak"])
    assert [key.scopes for key in KeyStore(tmp_path).list()] == [
        ("speak", "manage", "tokens"),
        ("speak",),
    ]


def test_a_key_that_was_made_before_there_were_channels_gets_none_by_an_upgrade(
    tmp_path: Path,
) -> None:
    store = KeyStore(tmp_path)
    scopes = ["speak", "manage", "usage", "tokens"]
    secret = store.new("app", scopes=scopes)
    key = KeyStore(tmp_path).find(secret)
    assert key.scopes == tuple(scopes)
    key.allow_speaking(None)
    with pytest.raises(ScopeMissing):
        key.allow_speaking("hall")
    with pytest.raises(ScopeMissing):
        key.allow_listening("hall")
    fresh = store.find(store.new("fresh"))
    fresh.allow_speaking("hall")
    fresh.allow_listening("hall")


@pytest.mark.parametrize(
    ("scopes", "speaks", "publishes", "listens"),
    [
        (["speak"], True, False, False),
        (["publish"], False, True, False),
        (["listen"], False, False, True),
        (["metrics"], False, False, False),
    ],
)
def test_a_scope_allows_itself_alone(
    tmp_path: Path, scopes: list[str], speaks: bool, publishes: bool, listens: bool
) -> None:
    store = KeyStore(tmp_path)
    key = store.find(store.new("app", scopes=scopes))

    def may(ask: Callable[[], None]) -> bool:
        try:
            ask()
        except ScopeMissing:
            return False
        return True

    assert may(lambda: key.allow_speaking(None)) is speaks
    assert may(lambda: key.allow_speaking("hall")) is publishes
    assert may(lambda: key.allow_listening("hall")) is listens
    assert may(lambda: key.allow("speak", "publish", "listen")) is (scopes != ["metrics"])


def test_another_process_s_changes_are_seen(tmp_path: Path) -> None:
    server, command_line = KeyStore(tmp_path), KeyStore(tmp_path)
    assert server.list() == ()
    secret = command_line.new("app")
    assert server.find(secret).name == "app"
    command_line.revoke("app")
    with pytest.raises(KeyRevoked):
        server.find(secret)


def test_revoking_takes_an_id_or_a_name_and_frees_the_name(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.new("app")
    assert store.revoke(store.list()[0].id).name == "app"
    with pytest.raises(NotFound):
        store.revoke("app")
    store.new("app")
    assert store.revoke("app").revoked is not None
    assert len(store.list()) == 2


def test_rotating_gives_the_key_of_an_id_or_a_name_another_secret_and_changes_nothing_else(
    tmp_path: Path,
) -> None:
    server, command_line = KeyStore(tmp_path), KeyStore(tmp_path)
    first = command_line.new("app", KeyLimits(contexts=2, budget=1.5), ["speak", "manage"])
    other = command_line.new("other")
    before = server.find(first)
    second = command_line.rotate("app")
    third = command_line.rotate(before.id)
    assert len({first, second, third}) == 3
    assert len(third) == len(first)
    assert third.removeprefix(PREFIX) not in (tmp_path / "keys.json").read_text()
    for replaced in (first, second):
        with pytest.raises(Unauthenticated):
            server.find(replaced)
    now = server.find(third)
    assert now == msgspec.structs.replace(before, sha256=now.sha256, rotations=2)
    assert server.find(other).rotations == 0


def test_a_key_that_is_none_or_revoked_is_not_rotated(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    secret = store.new("app")
    id = store.revoke("app").id
    before = (tmp_path / "keys.json").read_bytes()
    for which in ("nothing", "", "app", id):
        with pytest.raises(NotFound) as caught:
            store.rotate(which)
        assert caught.value.param == "key"
    assert (tmp_path / "keys.json").read_bytes() == before
    with pytest.raises(KeyRevoked):
        store.find(secret)


def test_a_key_of_before_there_were_rotations_works_and_is_rotated(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    secret = store.new("app")
    old = msgspec.to_builtins(store.list()[0])
    del old["rotations"]
    (tmp_path / "keys.json").write_bytes(msgspec.json.encode([old]))
    assert KeyStore(tmp_path).find(secret).rotations == 0
    assert KeyStore(tmp_path).find(store.rotate("app")).rotations == 1


def test_of_rotations_at_once_each_counts_and_one_secret_is_left(tmp_path: Path) -> None:
    KeyStore(tmp_path).new("app")
    made: list[str] = []

    def rotate() -> None:
        for _ in range(10):
            made.append(KeyStore(tmp_path).rotate("app"))

    writers = [threading.Thread(target=rotate) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert [key.name for key in KeyStore(tmp_path).list()] == ["app"]  # whole at any time
    for writer in writers:
        writer.join()
    store = KeyStore(tmp_path)
    (key,) = store.list()
    assert key.rotations == len(set(made)) == 30
    good = []
    for secret in made:
        with suppress(Unauthenticated):
            good.append(store.find(secret).id)
    assert good == [key.id]


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "flock"])
def test_killed_anywhere_while_it_rotates_the_keys_are_whole_and_one_secret_is_good(
    tmp_path: Path, step: str
) -> None:
    """Killed before it does that; then it is rotated again."""
    store = KeyStore(tmp_path)
    secret = store.new("app")
    code = (
        "import fcntl, os, signal, sys, streamer.server.auth as auth\n"
        "kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "step = sys.argv[2]\n"
        "setattr({'flock': fcntl, 'write': auth.msgspec.json}.get(step, os),"
        " {'write': 'format'}.get(step, step), kill)\n"
        "auth.KeyStore(auth.Path(sys.argv[1])).rotate('app')\n"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path), step], timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert KeyStore(tmp_path).find(secret).rotations == 0
    again = store.rotate("app")
    assert KeyStore(tmp_path).find(again).rotations == 1
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_bad_wishes_are_refused_by_name(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.new("taken")
    for name, limits, scopes, param in (
        ("", KeyLimits(), ("speak",), "name"),
        ("taken", KeyLimits(), ("speak",), "name"),
        ("a", KeyLimits(), ("sing",), "scopes"),
        ("a", KeyLimits(contexts=0), ("speak",), "contexts"),
        ("a", KeyLimits(budget=-1), ("speak",), "budget"),
        ("a", KeyLimits(budget=float("nan")), ("speak",), "budget"),
    ):
        with pytest.raises(InvalidParameter) as caught:
            store.new(name, limits, scopes)
        assert caught.value.param == param
    assert len(store.list()) == 1


@pytest.mark.parametrize(
    "content", ["{", "[1]", '[{"id": "x"}]', '[{"id":"x","admin":true}]', "\xff"]
)
def test_keys_that_can_not_be_read_are_not_no_keys(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content, encoding="latin-1")
    with pytest.raises(InvalidParameter) as caught:
        KeyStore(tmp_path).list()
    assert caught.value.param == "data_dir"


def test_writers_do_not_lose_each_others_keys(tmp_path: Path) -> None:
    def write(prefix: str) -> None:
        for i in range(10):
            KeyStore(tmp_path).new(f"{prefix}{i}")

    writers = [threading.Thread(target=write, args=(prefix,)) for prefix in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    keys = KeyStore(tmp_path).list()
    assert len({key.name for key in keys}) == len({key.id for key in keys}) == 30
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
