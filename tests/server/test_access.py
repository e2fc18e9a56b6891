"""Keys in use: who is let in, what foreign accounts look like, what is written down, what never is."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import drawdown
import grpc
import pytest
from drawdown.client.rpc_errors import retry_after_s
from drawdown.engine import decode_ack
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile
from drawdown.v1 import account_pb2, admin_pb2, grant_pb2, usage_pb2

from tests.server.calls import Calls, batch, error_info, set_up
from tests.server.http_calls import Http
from tests.server.keyed import FOREIGN, MINE, Code, Keyed, code_of, usage
from tests.server.processes import ServerProcess, eventually, serving


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic {0}",
        "{0}",
        "bearer x{0}",
        "Bearer {0}0",
        "Bearer {1}",
    ],
)
def test_every_wrong_credential_gets_the_same_answer(keyed: Keyed, header: str) -> None:
    other = re.sub("_.*_", f"_{'A' * 13}_{'A' * 43}_", keyed.admin_text)
    metadata = (("authorization", header.format(keyed.admin_text, other)),) if header else ()
    with pytest.raises(grpc.RpcError) as failure:
        keyed.admin.channel.unary_unary("/drawdown.v1.EntitlementService/Check")(
            b"", metadata=metadata, timeout=10
        )
    assert failure.value.code() == Code.UNAUTHENTICATED
    assert failure.value.details() == (
        "a live API key is needed: send it as metadata 'authorization: Bearer ddk_…'"
    )
    assert error_info(failure.value).metadata["definite"] == "true"


def test_a_secret_of_another_key_does_not_fit(keyed: Keyed) -> None:
    made, _ = keyed.keys.create("other", {Right.ADMIN})
    from drawdown.model import api_key

    text = api_key.key_text(made.key_id, b"guess" * 6 + b"xx")
    eventually(lambda: code_of(keyed.admin, "BatchCheck") == Code.OK, "the server answers")
    calls = Calls(keyed.server.address, text)
    assert code_of(calls, "BatchCheck") == Code.UNAUTHENTICATED
    calls.close()


def test_force_needs_the_right_to_manage(keyed: Keyed) -> None:
    ingest = keyed.calls("meter only", {Right.INGEST, Right.READ})
    ack = decode_ack(ingest.raw("UsageService/RecordUsage", usage(MINE, "forced", force=True)))
    assert ack[5][0][1] == "INVALID"
    ack = decode_ack(keyed.admin.raw("UsageService/RecordUsage", usage(MINE, "forced", force=True)))
    assert ack[2] == 1
    ingest.close()


def test_beyond_its_rate_a_key_is_refused_and_a_stream_waits(keyed: Keyed) -> None:
    slow = keyed.calls("slow", {Right.INGEST, Right.READ}, calls_per_s=25)
    codes = [code_of(slow, "BatchCheck") for _ in range(60)]
    assert Code.RESOURCE_EXHAUSTED in codes and Code.OK in codes
    with pytest.raises(grpc.RpcError) as failure:
        for _ in range(60):
            slow.raw("EntitlementService/BatchCheck", b"")
    info = error_info(failure.value)
    assert (info.reason, info.metadata["definite"]) == ("RATE_LIMITED", "true")
    # Until its next call is due, to the millisecond.
    assert 0 < retry_after_s(failure.value) <= 1 / 25 + 0.001
    time.sleep(0.3)
    acks = list(slow.stream(batch(n, (f"slow-{n}", 0), account=MINE) for n in range(40)))
    assert sum(ack.applied for ack in acks) == 40
    assert code_of(keyed.admin, "BatchCheck") == Code.OK
    slow.close()


def test_a_revoked_key_ends_its_open_streams_too(keyed: Keyed) -> None:
    made, text = keyed.keys.create("leaver", {Right.INGEST, Right.READ})
    calls = Calls(keyed.server.address, text)
    eventually(lambda: code_of(calls, "BatchCheck") == Code.OK, "the server took the new key")
    keyed.keys.revoke(made.key_id)
    eventually(lambda: code_of(calls, "BatchCheck") == Code.UNAUTHENTICATED, "the key was refused")

    made, text = keyed.keys.create("leaver", {Right.INGEST, Right.READ})
    calls = Calls(keyed.server.address, text)
    eventually(lambda: code_of(calls, "BatchCheck") == Code.OK, "the server took the new key")

    def batches() -> Iterator[usage_pb2.UsageBatch]:
        yield batch(0, ("stay-0", 0), account=MINE)
        keyed.keys.revoke(made.key_id)
        eventually(lambda: code_of(calls, "BatchCheck") == Code.UNAUTHENTICATED, "the key was refused")
        yield batch(1, ("stay-1", 0), account=MINE)

    answers = calls.stream(batches())
    assert next(answers).applied == 1
    with pytest.raises(grpc.RpcError) as failure:
        next(answers)
    assert failure.value.code() == Code.UNAUTHENTICATED
    calls.close()


def test_keys_are_made_rotated_and_revoked_through_the_server(keyed: Keyed) -> None:
    made = keyed.admin.call(
        "AdminService/CreateApiKey",
        admin_pb2.CreateApiKeyRequest(name="by rpc", rights=["read", "ingest"], account_prefix="a-"),
    )
    assert (made.key.state, list(made.key.rights)) == ("live", ["ingest", "read"])
    calls = Calls(keyed.server.address, made.text)
    eventually(lambda: code_of(calls, "BatchCheck") == Code.OK, "the server took the new key")
    turned = keyed.admin.call(
        "AdminService/RotateApiKey", admin_pb2.RotateApiKeyRequest(key_id=made.key.key_id, overlap_s=3600)
    )
    assert turned.key.state == "rotating"
    later = Calls(keyed.server.address, turned.text)
    eventually(lambda: code_of(later, "BatchCheck") == Code.OK, "the server took the new text")
    assert code_of(calls, "BatchCheck") == Code.OK
    for _ in range(2):
        gone = keyed.admin.call(
            "AdminService/RevokeApiKey", admin_pb2.RevokeApiKeyRequest(key_id=made.key.key_id)
        )
        assert gone.key.state == "revoked"
    eventually(lambda: code_of(later, "BatchCheck") == Code.UNAUTHENTICATED, "the key was refused")
    listed = keyed.admin.call("AdminService/ListApiKeys", admin_pb2.ListApiKeysRequest())
    assert {each.key_id: each.state for each in listed.keys}[made.key.key_id] == "revoked"
    with pytest.raises(grpc.RpcError) as failure:
        keyed.admin.call("AdminService/RevokeApiKey", admin_pb2.RevokeApiKeyRequest(key_id="AAAAAAAAAAAAA"))
    assert failure.value.code() == Code.NOT_FOUND


def test_nobody_hands_out_a_right_that_he_lacks(keyed: Keyed) -> None:
    half = keyed.calls("half", {Right.ADMIN, Right.READ})
    with pytest.raises(grpc.RpcError) as failure:
        half.call("AdminService/CreateApiKey", admin_pb2.CreateApiKeyRequest(name="x", rights=["manage"]))
    assert failure.value.code() == Code.PERMISSION_DENIED
    # Nor comes to one by another's text.
    whole, text = keyed.keys.create("whole", set(Right))
    with pytest.raises(grpc.RpcError) as failure:
        half.call("AdminService/RotateApiKey", admin_pb2.RotateApiKeyRequest(key_id=whole.key_id))
    assert failure.value.code() == Code.PERMISSION_DENIED
    taken = Calls(keyed.server.address, text)
    eventually(lambda: code_of(taken, "BatchCheck") == Code.OK, "the text is in force as before")
    taken.close()
    own, _ = keyed.keys.create("its equal", {Right.ADMIN, Right.READ})
    assert half.call("AdminService/RotateApiKey", admin_pb2.RotateApiKeyRequest(key_id=own.key_id)).text
    half.close()


def audit_lines(keyed: Keyed) -> list[dict[str, Any]]:
    text = (keyed.data / "access" / "audit.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_call_that_changes_something_is_in_the_audit_log(keyed: Keyed, bound: Calls) -> None:
    bound.call(
        "GrantService/CreateGrant",
        grant_pb2.CreateGrantRequest(
            account_id=MINE, grant=grant_pb2.GrantContent(grant_id="noted", credit_type="credits", amount="1")
        ),
    )
    with pytest.raises(grpc.RpcError):
        bound.call("AdminService/Checkpoint", admin_pb2.CheckpointRequest())
    with pytest.raises(grpc.RpcError):
        bound.call(
            "GrantService/VoidGrant",
            grant_pb2.VoidGrantRequest(account_id=FOREIGN, grant_id="welcome", confirm=True),
        )
    lines = [line for line in audit_lines(keyed) if line.get("caller") == "bound"]
    granted = [
        line for line in lines if line["call"] == "GrantService/CreateGrant" and line["outcome"] == "OK"
    ]
    assert granted[-1]["account"] == MINE
    assert granted[-1]["key"] and granted[-1]["peer"].startswith("ipv4:127.0.0.1:")
    assert (lines[-2]["call"], lines[-2]["outcome"]) == ("AdminService/Checkpoint", "PERMISSION_DENIED")
    assert (lines[-1]["account"], lines[-1]["outcome"]) == (FOREIGN, "ACCOUNT_UNKNOWN")
    assert not [line for line in audit_lines(keyed) if line["call"].endswith("/GetAccount")]
    assert granted[-1]["subjects"] == {"grant.grant_id": "noted", "grant.credit_type": "credits"}
    assert lines[-1]["subjects"] == {"grant_id": "welcome"}


def test_the_audit_log_names_the_account_of_every_call(keyed: Keyed) -> None:
    """Calls of the control plane call it otherwise than those of the engine."""
    with drawdown.connect(keyed.server.address, api_key=keyed.admin_text) as database:
        for account in ("a-giver", "a-taker"):
            database.create_account(account, customer_id="a-both")
        database.create_grant("a-giver", "credits", "5", grant_id="g")
        database.transfer(
            "a-move", from_account="a-giver", to_account="a-taker", credit_type="credits", credits="1"
        )
        database.close_account("a-taker", confirm=True)
    lines = {line["call"]: line for line in audit_lines(keyed)}
    assert lines["AccountService/CloseAccount"]["account"] == "a-taker"
    moved = next(line for call, line in lines.items() if call.endswith("/TransferCredits"))["subjects"]
    assert (moved["from_account"], moved["to_account"]) == ("a-giver", "a-taker")


def test_the_audit_log_names_commands_and_the_accounts_they_are_for(keyed: Keyed, bound: Calls) -> None:
    """What is sent as JSON is no way around the log, and no way to write into a terminal."""
    foreign = f"{MINE}\x1b[2J\x9b31m\x7f" + "x" * 500
    group = [
        {"type": "resume_account", "account": MINE},
        *({"type": "n", "account": foreign} for _ in range(40)),
    ]
    for body in (json.dumps(group).encode(), b"[" * 5000, b"\xff"):
        with pytest.raises(grpc.RpcError):
            bound.call("AdminService/ExecuteCommands", admin_pb2.ExecuteCommandsRequest(commands_json=body))
    lines = [line for line in audit_lines(keyed) if line["call"] == "AdminService/ExecuteCommands"][-3:]
    assert [line["outcome"] for line in lines] == ["INVALID", "PERMISSION_DENIED", "PERMISSION_DENIED"]
    assert [len(line["commands"]) for line in lines] == [16, 1, 1]
    assert (lines[0]["commands"][0], lines[0]["commands_total"]) == (f"resume_account {MINE}", 41)
    for line in (keyed.data / "access" / "audit.jsonl").read_bytes().splitlines():
        assert len(line) < 32_768 and not any(byte < 0x20 or byte >= 0x7F for byte in line)


def test_a_credential_that_lets_nobody_in_is_in_the_audit_log(tmp_path: Path) -> None:
    """Whatever it was shown for; of a text that is whole, the key it names."""
    data = tmp_path / "data"
    keys = KeyFile(data)
    gone, text = keys.create("gone", set(Right))
    keys.revoke(gone.key_id)
    with serving(data, http="127.0.0.1:0") as server:
        for shown in (text, text[:-1], None):
            calls = Calls(server.address, shown)
            for service, method in (
                ("UsageService", "RecordUsage"),
                ("EntitlementService", "Check"),
                ("AccountService", "GetAccount"),
                ("AdminService", "GetStats"),
            ):
                with pytest.raises(grpc.RpcError):
                    calls.raw(f"{service}/{method}", b"")
            calls.close()
        answer = Http(server.announced["http"], text).ask("GET", "/v1/check?account=a&meter=tokens")
        assert answer.status == 401
        lines = [json.loads(line) for line in (data / "access" / "audit.jsonl").read_bytes().splitlines()]
        assert server.end()[0] == 0
    # At most so many a second are written, and the next line says how many were not.
    assert 10 <= len(lines) <= 13
    assert all(line["outcome"] == "UNAUTHENTICATED" for line in lines)
    assert len(lines) + sum(line.get("left_out_before", 0) for line in lines) <= 13
    assert {line["call"] for line in lines[:4]} == {
        "UsageService/RecordUsage",
        "EntitlementService/Check",
        "AccountService/GetAccount",
        "AdminService/GetStats",
    }
    assert [line.get("key") for line in lines[:10]] == [gone.key_id] * 4 + [None] * 6
    secret = text.split("_", 2)[2]
    assert secret[:20] not in json.dumps(lines)


def test_a_flood_of_refused_calls_does_not_fill_the_audit_log(keyed: Keyed) -> None:
    nobody = Calls(keyed.server.address)
    before = len(audit_lines(keyed))
    for _ in range(150):
        with pytest.raises(grpc.RpcError):
            nobody.raw("AdminService/Checkpoint", b"")
    assert 1 <= len(audit_lines(keyed)) - before < 60
    nobody.close()


CANARY = "canaryCANARYcanary"


def test_secrets_are_in_no_file_and_no_output(tmp_path: Path) -> None:
    """Every text sent, right or wrong, every header, and names that want to write log lines of their own."""
    data = tmp_path / "data"
    _, admin = KeyFile(data).create("root", set(Right))
    wrong = f"ddk_{'A' * 13}_{CANARY}{'A' * 25}_00000000"
    with serving(data, log_level="debug", metrics="127.0.0.1:0") as server:
        calls = Calls(server.address, admin)
        set_up(calls)
        made = calls.call(
            "AdminService/CreateApiKey", admin_pb2.CreateApiKeyRequest(name="x", rights=["read"])
        )
        for text in (wrong, CANARY, admin[:-1], made.text):
            stray = Calls(server.address, text)
            for path in ("AdminService/GetStats", "UsageService/RecordUsage", "EntitlementService/Check"):
                with pytest.raises(grpc.RpcError) as failure:
                    stray.raw(path, b"\x0a\x05wrong")
                assert CANARY not in str(failure.value)
            stray.close()
        metadata = ((*calls.metadata[0],), ("x-secret", CANARY), ("x-secret-bin", CANARY.encode()))
        with pytest.raises(grpc.RpcError):
            calls.channel.unary_unary("/drawdown.v1.AdminService/Verify")(
                b"\xff", metadata=metadata, timeout=9
            )
        stats = calls.call("AdminService/GetStats", admin_pb2.GetStatsRequest())
        listed = calls.call("AdminService/ListApiKeys", admin_pb2.ListApiKeysRequest())
        calls.close()
        code, log = server.end()
    assert code == 0
    secrets = [CANARY, admin.split("_", 2)[2][:43], made.text.split("_", 2)[2][:43]]
    seen = [log.encode(), stats.SerializeToString(), listed.SerializeToString()]
    seen += [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    for secret in secrets:
        assert not [content for content in seen if secret.encode() in content]


def test_calls_without_keys_are_for_loopback_only(tmp_path: Path) -> None:
    server = ServerProcess(
        data=str(tmp_path / "data"), listen="0.0.0.0:0", insecure_listen=True, access="open"
    )
    code, log = server.wait()
    assert code == 64
    assert "can be reached from elsewhere" in log
    with serving(tmp_path / "data", listen="0.0.0.0:0", insecure_listen=True) as server:
        calls = Calls(f"127.0.0.1:{server.address.rpartition(':')[2]}")
        assert code_of(calls, "BatchCheck") == Code.UNAUTHENTICATED
        calls.close()


def test_on_loopback_keys_are_needed_where_the_folder_has_some(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        assert code_of(calls, "BatchCheck") == Code.OK
        calls.close()
        assert server.end()[0] == 0
    KeyFile(tmp_path / "data").create("app", {Right.READ})
    with serving(tmp_path / "data") as server:
        calls = Calls(server.address)
        assert code_of(calls, "BatchCheck") == Code.UNAUTHENTICATED
        calls.close()
    with serving(tmp_path / "data", access="open") as server:
        calls = Calls(server.address)
        assert code_of(calls, "BatchCheck") == Code.OK
        calls.close()


def test_the_first_key_closes_a_server_that_began_without_keys(tmp_path: Path) -> None:
    """Calls, streams that are open and both doors; the key itself is let in, for its rights alone."""
    data = tmp_path / "data"
    with serving(data, http="127.0.0.1:0") as server:
        nobody, misspelt = Calls(server.address), Calls(server.address, "nonsense")
        set_up(nobody)
        http = Http(server.announced["http"])
        check = "/v1/check?account=acme&meter=tokens"
        assert (code_of(misspelt, "BatchCheck"), http.ask("GET", check).status) == (Code.OK, 200)

        def batches() -> Iterator[usage_pb2.UsageBatch]:
            yield batch(0, ("before-0", 0))
            _, made.text = KeyFile(data).create("reader", {Right.READ})
            eventually(lambda: code_of(nobody, "BatchCheck") == Code.UNAUTHENTICATED, "keys are needed")
            yield batch(1, ("after-0", 0))

        made = SimpleNamespace(text="")
        # Ended as at a drain: what was taken is acknowledged, what comes after is not taken.
        assert [ack.applied for ack in nobody.stream(batches())] == [1]
        for calls in (nobody, misspelt):
            for call in ("UsageService/RecordUsage", "AccountService/CreateAccount", "AdminService/GetStats"):
                with pytest.raises(grpc.RpcError) as failure:
                    calls.raw(call, b"")
                assert failure.value.code() == Code.UNAUTHENTICATED
        assert http.ask("GET", check).status == 401
        reader = Calls(server.address, made.text)
        assert code_of(reader, "BatchCheck") == Code.OK
        with pytest.raises(grpc.RpcError) as failure:
            reader.raw("UsageService/RecordUsage", usage("acme", "by-reader"))
        assert failure.value.code() == Code.PERMISSION_DENIED
        assert Http(server.announced["http"], made.text).ask("GET", check).status == 200
        for calls in (nobody, misspelt, reader):
            calls.close()


def test_a_watch_without_a_key_ends_when_the_first_key_is_made(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        nobody = Calls(server.address)
        set_up(nobody)
        watching = nobody.channel.unary_stream("/drawdown.v1.AccountService/WatchBalances")(
            account_pb2.WatchBalancesRequest(account_ids=["acme"]).SerializeToString(), timeout=30
        )
        next(watching)
        _, text = KeyFile(data).create("root", set(Right))
        eventually(lambda: code_of(nobody, "BatchCheck") == Code.UNAUTHENTICATED, "keys are needed")
        root = Calls(server.address, text)
        root.call(
            "GrantService/CreateGrant",
            grant_pb2.CreateGrantRequest(
                account_id="acme",
                grant=grant_pb2.GrantContent(grant_id="unseen", credit_type="credits", amount="1"),
            ),
        )
        with pytest.raises(grpc.RpcError) as failure:
            list(watching)
        assert failure.value.code() == Code.UNAUTHENTICATED
        root.close()
        nobody.close()


def test_a_server_that_was_told_to_be_open_stays_so(tmp_path: Path) -> None:
    """Neither at the first key nor at a later start."""
    data = tmp_path / "data"
    with serving(data, access="open") as server, serving(tmp_path / "other") as other:
        # The other one shows that the time for it has passed.
        for folder in (data, tmp_path / "other"):
            KeyFile(folder).create("app", {Right.READ})
        calls, others = Calls(server.address), Calls(other.address)
        eventually(lambda: code_of(others, "BatchCheck") == Code.UNAUTHENTICATED, "keys are needed")
        assert code_of(calls, "BatchCheck") == Code.OK
        calls.close()
        others.close()


def test_the_pure_python_backend_of_protobuf_is_refused(tmp_path: Path) -> None:
    launch = (
        "import os; os.environ['PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'] = 'python'\n"
        "import sys\nfrom drawdown import config\nfrom drawdown.server import serve\n"
        "sys.exit(serve.run(config.load(environment={}, flags={'data': sys.argv[1]})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", launch, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 64
    assert "'python' backend" in done.stderr
    assert not (tmp_path / "data").exists()
