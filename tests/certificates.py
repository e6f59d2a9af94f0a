"""Certificates for servers in tests: an authority of their own, made anew each time by the program `openssl`."""

import shutil
import ssl
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

AUTHORITY_FIELDS = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"

SERVER_FIELDS = (
    "basicConstraints=critical,CA:FALSE\nsubjectAltName={names}\nextendedKeyUsage=serverAuth\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

DAYS = ("-days", "2")


@dataclass(frozen=True)
class Certified:
    """A certificate for some names, and whom to trust to accept it."""

    #: The authority's certificate.
    authority: Path
    #: What a server shows itself with.
    context: ssl.SSLContext


def certify(folder: Path, hosts: Iterable[str]) -> Certified:
    """Returns a certificate for these names, signed by an authority that nobody knows yet."""
    _write(folder / "empty.cnf", "[req]\ndistinguished_name=name\n[name]\n")
    _write(folder / "server.cnf", SERVER_FIELDS.format(names=",".join(f"DNS:{host}" for host in hosts)))
    _write(folder / "authority.cnf", AUTHORITY_FIELDS)
    for name in ("authority", "server"):
        _openssl(
            folder, "req", "-new", *KEY, "-config", "empty.cnf", "-subj", f"/CN={name} of a test",
            "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
    signed = ("x509", "-req", *DAYS, "-sha256")
    _openssl(folder, *signed, "-in", "authority.csr", "-signkey", "authority.key", "-extfile", "authority.cnf",
             "-out", "authority.pem")  # fmt: skip
    _openssl(folder, *signed, "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
             "-set_serial", "2", "-extfile", "server.cnf", "-out", "server.pem")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Certified(folder / "authority.pem", context)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")


def _openssl(folder: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    assert program, "the certificates of this test are made by the program openssl, which is not installed"
    made = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert made.returncode == 0, made.stderr
