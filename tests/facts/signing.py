"""Access tokens, made by the rule of the protocol facts with nothing of the project's own: hmac, base64, URL-encoding."""

import base64
import hmac
from urllib.parse import quote


def sign_of(key, et, method, res, version):
    text = "\n".join((str(et), method, res, version))
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), method)).decode()


def token(key, res, et, method="sha1", version="2018-10-31", *, raw=False, order=None):
    """One text for `Authorization` and the MQTT password. `raw` leaves `res` and `sign` as they are."""
    sign = sign_of(key, et, method, res, version)
    parts = {"version": version, "res": res, "et": str(et), "method": method, "sign": sign}
    names = order or ("version", "res", "et", "method", "sign")
    return "&".join(f"{name}={parts[name] if raw else quote(parts[name], safe='')}" for name in names)
