"""TLS and client certificates. The certificates lie in ``certificates/``, their authority's key nowhere."""

import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import drawdown
import grpc
import pytest
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from tests.server import conftest
from tests.server.calls import Calls, set_up
from tests.server.http_calls import Http, event
from tests.server.processes import ServerProcess, eventually, serving

CERTIFICATES = Path(__file__).parent / "certificates"
CA = (CERTIFICATES / "ca.pem").read_bytes()


def pem(name: str) -> tuple[bytes, bytes]:
    """Private key and certificate."""
    return (CERTIFICATES / f"{name}.key").read_bytes(), (CERTIFICATES / f"{name}.pem").read_bytes()


def credentials(name: str | None = None) -> grpc.ChannelCredentials:
    key, chain = pem(name) if name else (None, None)
    return grpc.ssl_channel_credentials(CA, key, chain)


def tls_flags(folder: Path = CERTIFICATES) -> dict[str, str]:
    return {"tls_certificate": str(folder / "server.pem"), "tls_key": str(folder / "server.key")}


def mtls_flags() -> dict[str, str]:
    return {**tls_flags(), "tls_client_ca": str(CERTIFICATES / "ca.pem")}


def target(server: ServerProcess) -> str:
    return f"localhost:{server.address.rpartition(':')[2]}"


def code_of(address: str, text: str | None, offered: grpc.ChannelCredentials | None) -> grpc.StatusCode:
    calls = Calls(address, text, offered)
    try:
        calls.raw("EntitlementService/BatchCheck", b"", timeout=10)
    except grpc.RpcError as failure:
        code: grpc.StatusCode = failure.code()
        return code
    finally:
        calls.close()
    return grpc.StatusCode.OK


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A server with TLS that wants no client certificate, and the text of a key for everything."""
    data: Path = tmp_path_factory.mktemp("tls") / "data"
    _, text = KeyFile(data).create("root", set(Right))
    with serving(data, listen="0.0.0.0:0", **tls_flags()) as server:
        yield server, text


def test_tls_is_enough_to_listen_off_loopback_and_keys_are_needed(
    encrypted: tuple[ServerProcess, str],
) -> None:
    server, text = encrypted
    assert code_of(target(server), text, credentials()) == grpc.StatusCode.OK
    assert code_of(target(server), None, credentials()) == grpc.StatusCode.UNAUTHENTICATED


def test_plaintext_and_strangers_find_no_server(encrypted: tuple[ServerProcess, str]) -> None:
    server, text = encrypted
    assert code_of(target(server), text, None) == grpc.StatusCode.UNAVAILABLE
    # Without the authority the client refuses the server.
    assert code_of(target(server), text, grpc.ssl_channel_credentials()) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_before_tls_1_2_are_refused(
    encrypted: tuple[ServerProcess, str], version: ssl.TLSVersion
) -> None:
    server, _ = encrypted
    offered = ssl.create_default_context(cadata=CA.decode())
    offered.set_ciphers("ALL:@SECLEVEL=0")
    offered.minimum_version = offered.maximum_version = version
    host, port = target(server).split(":")
    with socket.create_connection((host, int(port)), 10) as plain, pytest.raises((ssl.SSLError, OSError)):
        offered.wrap_socket(plain, server_hostname=host)


def test_the_client_library_speaks_tls(encrypted: tuple[ServerProcess, str]) -> None:
    server, text = encrypted
    with drawdown.connect(target(server), api_key=text, tls=drawdown.Tls(root_certificates=CA)) as database:
        database.create_credit_type("credits", scale=2)
        assert [each.name for each in database.catalog().credit_types] == ["credits"]
    with (
        drawdown.connect(target(server), root_certificates=CA, timeout_s=5) as database,
        pytest.raises(drawdown.UnauthenticatedError),
    ):
        database.catalog()
    with pytest.raises(drawdown.InvalidRequestError):
        drawdown.connect(target(server), tls=drawdown.Tls(root_certificates=CA, private_key=b"x"))
    assert b"BEGIN" not in repr(drawdown.Tls(private_key=b"-----BEGIN")).encode()


def test_a_client_certificate_stands_for_its_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = KeyFile(data)
    _, text = keys.create("root", set(Right))
    keys.create("tenant a", {Right.INGEST, Right.READ}, certificate="tenant-a.example", account_prefix="a-")
    with serving(data, **mtls_flags()) as server:
        address = target(server)
        root = Calls(address, text, credentials("stranger"))
        set_up(root, "a-one")
        root.close()
        assert code_of(address, None, credentials("client")) == grpc.StatusCode.OK
        tls = drawdown.Tls(
            root_certificates=CA, certificate_chain=pem("client")[1], private_key=pem("client")[0]
        )
        with drawdown.connect(address, tls=tls) as database:
            assert database.record("a-one", "tokens", quantity=1).status == "OK"
            assert database.record("b-one", "tokens", quantity=1).status == "ACCOUNT_UNKNOWN"
            with pytest.raises(drawdown.PermissionDeniedError):
                database.create_account("a-two")
        # A certificate of the authority that stands for no key lets nobody in by itself.
        assert code_of(address, None, credentials("stranger")) == grpc.StatusCode.UNAUTHENTICATED
        # None, and one of the same name from elsewhere, do not get as far as a call.
        assert code_of(address, text, credentials()) == grpc.StatusCode.UNAVAILABLE
        assert code_of(address, text, credentials("forged")) == grpc.StatusCode.UNAVAILABLE


def test_renewed_certificates_are_taken_without_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "pem"
    folder.mkdir()
    for name in ("server.pem", "server.key"):
        shutil.copy(CERTIFICATES / name, folder / name)
    with serving(tmp_path / "data", **tls_flags(folder)) as server:

        def shown() -> str:
            return ssl.get_server_certificate(
                ("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=10
            )

        before = shown()
        assert before.strip() == pem("server")[1].decode().strip()
        # Half of a change is no change.
        shutil.copy(CERTIFICATES / "stranger.pem", folder / "server.pem")
        (folder / "server.key").write_bytes(b"half")
        assert shown() == before
        shutil.copy(CERTIFICATES / "stranger.key", folder / "server.key")
        eventually(lambda: shown() != before, "the new certificate is shown")
        assert shown().strip() == pem("stranger")[1].decode().strip()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tls_certificate": "x.pem"}, "tls_key: TLS needs"),
        ({"tls_client_ca": "x.pem"}, "client certificates need TLS"),
        ({"tls_certificate": "absent.pem", "tls_key": "absent.key"}, "absent.pem"),
        ({"tls_certificate": conftest.__file__, "tls_key": conftest.__file__}, "is not a PEM file"),
        ({"listen": "0.0.0.0:0"}, "this connection is plaintext"),
    ],
)
def test_half_of_tls_is_a_wrong_setting(tmp_path: Path, flags: dict[str, str], said: str) -> None:
    code, log = ServerProcess(data=str(tmp_path / "data"), **flags).wait()
    assert code == 64
    assert said in log


def https(*client: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=CA.decode())
    for name in client:
        context.load_cert_chain(CERTIFICATES / f"{name}.pem", CERTIFICATES / f"{name}.key")
    return context


def test_http_has_the_same_certificates_and_renews_them(tmp_path: Path) -> None:
    folder = tmp_path / "pem"
    folder.mkdir()
    for name in ("server.pem", "server.key"):
        shutil.copy(CERTIFICATES / name, folder / name)
    with serving(tmp_path / "data", http="127.0.0.1:0", **tls_flags(folder)) as server:
        port = int(server.announced["http"].rpartition(":")[2])
        address = f"localhost:{port}"
        assert Http(address, tls=https()).ask("GET", "/health").status == 200
        with pytest.raises(OSError):
            Http(address).ask("GET", "/health")
        before = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
        # Half of a change is no change.
        shutil.copy(CERTIFICATES / "stranger.pem", folder / "server.pem")
        (folder / "server.key").write_bytes(b"half")
        assert ssl.get_server_certificate(("127.0.0.1", port), timeout=10) == before
        shutil.copy(CERTIFICATES / "stranger.key", folder / "server.key")
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
        assert shown.strip() == pem("stranger")[1].decode().strip()


def test_a_client_certificate_stands_for_its_key_over_http(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = KeyFile(data)
    _, text = keys.create("root", set(Right))
    keys.create("tenant a", {Right.INGEST, Right.READ}, certificate="tenant-a.example", account_prefix="a-")
    with serving(data, http="127.0.0.1:0", **mtls_flags()) as server:
        root = Calls(target(server), text, credentials("stranger"))
        set_up(root, "a-one")
        root.close()
        address = f"localhost:{server.announced['http'].rpartition(':')[2]}"
        known = Http(address, tls=https("client"))
        assert known.events(event("1", subject="a-one")).result["status"] == "OK"
        assert known.events(event("1", subject="b-one")).result["status"] == "ACCOUNT_UNKNOWN"
        assert Http(address, tls=https("stranger")).events(event("2", subject="a-one")).status == 401
        for nobody in (https(), https("forged")):
            with pytest.raises(OSError):
                Http(address, text, tls=nobody).events(event("3", subject="a-one"))
