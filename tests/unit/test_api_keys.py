"""Key texts, the key file, the ring that holds it, the audit log."""

import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from drawdown import errors
from drawdown.model import api_key
from drawdown.model.instants import now_us
from drawdown.model.rights import Right, rights_from
from drawdown.server import key_ring
from drawdown.server.key_ring import KeyRing
from drawdown.storage import audit_file, key_file
from drawdown.storage.audit_file import AuditFile
from drawdown.storage.key_file import KeyFile

READ = {Right.READ}


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path)


def test_a_text_names_its_key_and_every_typing_error_shows(keys: KeyFile) -> None:
    made, text = keys.create("app", READ)
    assert text.startswith("ddk_")
    assert api_key.key_id_of(text) == made.key_id
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert api_key.key_id_of(text[:place] + other + text[place + 1 :]) is None, place
    assert api_key.key_id_of(text + "0") is None
    assert api_key.key_id_of(text[:-1]) is None
    assert api_key.key_id_of("") is None
    assert api_key.key_id_of("ddk_" + "A" * 100_000) is None


def test_no_file_holds_anything_that_lets_one_in(keys: KeyFile, tmp_path: Path) -> None:
    _, text = keys.create("app", READ)
    secret = text.split("_", 2)[2]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"keys.json", "pepper", "pepper-fingerprint", "LOCK"}
    for path in files:
        content = path.read_bytes()
        assert secret.encode() not in content and secret[:20].encode() not in content, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700


def test_another_pepper_makes_every_text_worthless_and_is_refused(tmp_path: Path) -> None:
    made, text = KeyFile(tmp_path).create("app", READ)
    assert KeyRing(KeyFile(tmp_path)).of_text(text) is not None
    pepper = tmp_path / "access" / "pepper"
    for change in (lambda: pepper.write_bytes(bytes(32)), pepper.unlink):
        change()
        with pytest.raises(errors.ConfigError, match="have a pepper already"):
            KeyRing(KeyFile(tmp_path))
        with pytest.raises(errors.ConfigError, match="have a pepper already"):
            KeyFile(tmp_path).create("other", READ)
    assert not pepper.exists()
    # It is lost for good: once no key needs it, and only then, there is a new one.
    KeyFile(tmp_path).revoke(made.key_id)
    (tmp_path / "access" / "pepper-fingerprint").unlink()
    _, text = KeyFile(tmp_path).create("other", READ)
    assert KeyRing(KeyFile(tmp_path)).of_text(text) is not None


def test_no_pepper_is_made_beside_keys_of_an_older_version(tmp_path: Path) -> None:
    """Which kept no fingerprint: it is written once a key was known again by the pepper that is there."""
    _, text = KeyFile(tmp_path).create("app", READ)
    fingerprint, pepper = (tmp_path / "access" / name for name in ("pepper-fingerprint", "pepper"))
    kept = fingerprint.read_bytes()
    fingerprint.unlink()
    pepper.rename(tmp_path / "away")
    with pytest.raises(errors.ConfigError, match="is not there"):
        KeyRing(KeyFile(tmp_path))
    (tmp_path / "away").rename(pepper)
    ring = KeyRing(KeyFile(tmp_path))
    assert not fingerprint.exists()
    ring.of_text(text)
    ring.write_last_used(ring.take_last_used())
    assert fingerprint.read_bytes() == kept


def test_a_pepper_that_a_server_began_with_is_the_one_of_its_first_key(tmp_path: Path) -> None:
    """Also where the settings were others when it was started before: no key was hashed with those."""
    elsewhere = str(tmp_path / "secrets" / "pepper")
    for file in ("", elsewhere):
        KeyFile(tmp_path, file).begin()
    with pytest.raises(errors.ConfigError, match="holds another"):
        KeyFile(tmp_path).create("app", READ)
    assert KeyFile(tmp_path).version() is None
    early = KeyFile(tmp_path, elsewhere)
    early.create("app", READ)
    with pytest.raises(errors.ConfigError, match="holds another"):
        KeyFile(tmp_path).begin()


def test_a_key_made_with_another_pepper_meanwhile_is_met_before_one_is_added(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    keys.hash_of("known from here on")
    KeyFile(tmp_path, str(tmp_path / "elsewhere")).begin()
    with pytest.raises(errors.ConfigError, match="holds another"):
        keys.create("app", READ)
    assert keys.version() is None


def test_a_pepper_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "secrets" / "pepper"
    _, text = KeyFile(tmp_path / "data", str(elsewhere)).create("app", READ)
    assert not (tmp_path / "data" / "access" / "pepper").exists()
    assert KeyRing(KeyFile(tmp_path / "data", str(elsewhere))).of_text(text) is not None
    elsewhere.write_bytes(b"short")
    with pytest.raises(errors.CorruptDataError):
        KeyRing(KeyFile(tmp_path / "data", str(elsewhere)))


def test_two_texts_are_live_while_a_key_is_rotated_and_never_three(keys: KeyFile) -> None:
    made, first = keys.create("app", READ)
    _, second = keys.rotate(made.key_id, 3600)
    ring = KeyRing(keys)
    assert ring.of_text(first) is not None
    assert ring.of_text(second) is not None
    with pytest.raises(errors.PreconditionError) as refused:
        keys.rotate(made.key_id, 3600)
    assert refused.value.reason == "KEY_ROTATING"


def test_without_overlap_the_old_text_ends_at_once(keys: KeyFile) -> None:
    made, first = keys.create("app", READ)
    _, second = keys.rotate(made.key_id, 0)
    ring = KeyRing(keys)
    assert ring.of_text(first) is None
    assert ring.of_text(second) is not None
    # Nobody's old text hinders the next rotation.
    _, third = keys.rotate(made.key_id, 0)
    ring.refresh()
    assert ring.of_text(second) is None
    assert ring.of_text(third) is not None


def test_revoked_and_expired_keys_are_not_taken(keys: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    made, text = keys.create("app", READ)
    ring = KeyRing(keys)
    assert ring.of_text(text) is not None
    revoked = keys.revoke(made.key_id)
    assert keys.revoke(made.key_id) == revoked
    ring.refresh()
    assert ring.of_text(text) is None
    assert ring.live(made.key_id) is None
    expires_at = now_us() + 60_000_000
    brief, brief_text = keys.create("brief", READ, expires_at=expires_at)
    ring.refresh()
    for now, is_taken in ((expires_at - 1, True), (expires_at, False)):
        monkeypatch.setattr(key_ring, "now_us", lambda now=now: now)
        assert (ring.of_text(brief_text) is not None) is is_taken, now
        assert (ring.live(brief.key_id) is not None) is is_taken, now
    monkeypatch.setattr(key_file, "now_us", lambda: expires_at)
    with pytest.raises(errors.PreconditionError):
        keys.rotate(brief.key_id, 1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"account_prefix": "a\nb"}, "account_prefix"),
        ({"rights": {Right.ADMIN}, "account_prefix": "acme-"}, "account_prefix"),
        ({"calls_per_s": -1}, "calls_per_s"),
        ({"expires_at": 1}, "expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(keys: KeyFile, wrong: dict[str, object], field: str) -> None:
    given: dict[str, object] = {"name": "app", "rights": READ, **wrong}
    with pytest.raises(errors.InvalidRequestError) as refused:
        keys.create(given.pop("name"), given.pop("rights"), **given)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert keys.all_keys() == []


def test_names_are_unique_among_live_keys(keys: KeyFile) -> None:
    made, _ = keys.create("app", READ)
    with pytest.raises(errors.PreconditionError):
        keys.create("app", READ)
    keys.revoke(made.key_id)
    keys.create("app", READ)


def test_unknown_rights_are_named() -> None:
    with pytest.raises(errors.InvalidRequestError, match="'write' is no right"):
        rights_from(["read", "write"])
    with pytest.raises(errors.InvalidRequestError):
        rights_from([])


def test_changes_of_many_writers_are_all_kept(tmp_path: Path) -> None:
    def make(number: int) -> None:
        KeyFile(tmp_path).create(f"app-{number}", READ)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in KeyFile(tmp_path).all_keys()} == {f"app-{number}" for number in range(8)}


def test_a_damaged_file_is_refused_and_live_keys_stay(keys: KeyFile) -> None:
    _, text = keys.create("app", READ)
    ring = KeyRing(keys)
    path = keys.folder / "keys.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(errors.CorruptDataError, match=r"keys\.json"):
        ring.refresh()
    ring.refresh_or_log()
    assert ring.of_text(text) is not None


BEGIN_NS = 5_000_000_000_000
"""Of a monotonic clock that stands still: how long a test is held up is no matter of the rate."""


def test_the_rate_of_a_key_is_its_calls_per_second(keys: KeyFile) -> None:
    made, text = keys.create("app", READ, calls_per_s=20)
    ring = KeyRing(keys)
    held = ring.of_text(text)
    assert held is not None
    taken = sum(1 for _ in range(100) if held.wait_s(BEGIN_NS) == 0)
    assert taken == 20
    assert held.wait_s(BEGIN_NS) == 0.05
    # What was spent stays spent when the file is read again.
    keys.note_used({made.key_id: now_us()})
    ring.refresh()
    again = ring.of_text(text)
    assert again is not None and again is not held
    assert again.wait_s(BEGIN_NS) == 0.05
    assert again.wait_s(BEGIN_NS + 49_999_999) == 1e-9
    # A second later there is a second's worth again, and no more after an hour.
    for later_ns, allowed in ((50_000_000, 1), (1_050_000_000, 20), (3_600_000_000_000, 20)):
        now_ns = BEGIN_NS + later_ns
        assert sum(1 for _ in range(100) if again.wait_s(now_ns) == 0) == allowed, later_ns


def test_one_call_per_second_is_possible(keys: KeyFile) -> None:
    _, text = keys.create("app", READ, calls_per_s=1)
    held = KeyRing(keys).of_text(text)
    assert held is not None
    assert held.wait_s(BEGIN_NS) == 0
    assert held.wait_s(BEGIN_NS + 999_999_999) > 0
    assert held.wait_s(BEGIN_NS + 1_000_000_000) == 0


def test_last_use_is_kept(keys: KeyFile) -> None:
    made, text = keys.create("app", READ)
    ring = KeyRing(keys)
    assert ring.take_last_used() == {}
    before = now_us()
    ring.of_text(text)
    ring.write_last_used(ring.take_last_used())
    (kept,) = keys.all_keys()
    assert kept.last_used_at is not None and kept.last_used_at >= before
    assert ring.take_last_used() == {}
    assert kept.key_id == made.key_id


def test_the_audit_log_grows_by_lines_and_is_never_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "FILE_BYTES_MAX", 2_000)
    log = AuditFile(tmp_path)
    for number in range(50):
        log.append(durable=number % 2 == 0, call="x", account="a\n\x1b[31m" + "b" * 1000, number=number)
    log.close()
    files = sorted((tmp_path / "access").glob("audit*.jsonl"))
    assert len(files) > 3
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert sorted(line["number"] for line in lines) == list(range(50))
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size <= 2_000
        assert b"\x1b" not in path.read_bytes()
    assert all(len(line["account"]) == 256 for line in lines)


def test_an_audit_log_that_cannot_be_written_is_an_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "access").write_text("in the way")
    AuditFile(tmp_path).append(durable=True, call="x")
    assert "the audit log cannot be written" in caplog.text


# The disk has room for 20 bytes of the line "two", then for all. In a process of its own: the limit is of a
# whole process.
FULL_DISK = """
import resource, sys
from pathlib import Path
from drawdown.storage.audit_file import AuditFile
log = AuditFile(Path(sys.argv[1]))
log.append(durable=True, call="one")
free = resource.getrlimit(resource.RLIMIT_FSIZE)
size = (Path(sys.argv[1]) / "access" / "audit.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, free[1]))
log.append(durable=True, call="two")
resource.setrlimit(resource.RLIMIT_FSIZE, free)
log.append(durable=True, call="three")
"""


def test_a_line_that_the_disk_took_in_part_is_told_of_and_spoils_no_other(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert "the audit log cannot be written" in ran.stderr
    lines = (tmp_path / "access" / "audit.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["call"] for line in lines] == ["one", "three"]


def test_a_line_cut_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    log = AuditFile(tmp_path)
    log.append(durable=True, call="one")
    log.close()
    path = tmp_path / "access" / "audit.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at":"2026-')
    for call in ("two", "three"):
        log.append(durable=True, call=call)
    one, cut, two, three = path.read_bytes().splitlines()
    assert [json.loads(line)["call"] for line in (one, two, three)] == ["one", "two", "three"]
    assert cut == b'{"at":"2026-'
    log.close()
