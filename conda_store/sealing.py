"""Text that is kept or handed out and that nobody else shall read: encrypted and signed with the server's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Sealer:
    """Seals text for one `purpose` (Fernet: AES-128-CBC and HMAC-SHA256), with a key derived from `secret`.

    What was sealed for one purpose cannot be opened for another one.
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        key = hmac.new(secret, f"sealed: {purpose}".encode(), hashlib.sha256).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        """`text` as URL-safe base64; different each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str, seconds: int | None = None) -> str | None:
        """What was sealed, at most `seconds` ago; None for what is not ours, was changed, or is too old."""
        try:
            return self._fernet.decrypt(sealed.encode("utf-8", "replace"), seconds).decode()
        except (InvalidToken, UnicodeDecodeError):
            return None
