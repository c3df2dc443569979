"""Makes a commitment with the standard library alone, as the documentation says.

    commitment.py DAY_KEY_FILE EXCHANGE FIELD CONTENT_FILE

DAY_KEY_FILE is a key of a log's vault: 32 bytes and their checksum. HKDF is written out after
RFC 5869: an empty salt is a block of zeros, and 32 bytes are one block of output.
"""

import base64
import hashlib
import hmac
import sys
from pathlib import Path


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(key: bytes, info: bytes) -> bytes:
    return mac(mac(bytes(32), key), info + b"\x01")


def main(key_file: str, exchange: str, field: str, content_file: str) -> None:
    day_key = Path(key_file).read_bytes()[:32]
    secret = hkdf(day_key, b"troth/v1/record/" + exchange.encode())
    commitment = mac(hkdf(secret, field.encode()), Path(content_file).read_bytes())
    print(base64.urlsafe_b64encode(commitment).rstrip(b"=").decode())


main(*sys.argv[1:])
