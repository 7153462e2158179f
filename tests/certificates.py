"""Certificates of a test's own authority."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """``certificate`` and ``key`` are for ``localhost`` and ``127.0.0.1``; ``ca_file`` vouches for them."""

    ca_file: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    made = Certificates(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(made.ca_file))
    server.private_key_pem.write_to_path(str(made.key))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(made.certificate), append=True)
    return made
