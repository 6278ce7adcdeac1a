"""Signatures are those of Standard Webhooks, by its own vector and by what a receiver computes."""

import base64
import hashlib
import hmac

from core.webhooks.signature import headers, new_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # the one that the standard publishes


def test_the_standard_s_own_example_comes_out():
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_are_as_long_as_the_hash_and_differ():
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32


def test_while_a_secret_is_replaced_both_sign():
    secrets = [new_secret(), new_secret()]
    sent = headers(secrets, "evt_1", 7, b"{}")
    assert (sent["webhook-id"], sent["webhook-timestamp"]) == ("evt_1", "7")
    expected = [
        hmac.digest(base64.b64decode(secret[6:]), b"evt_1.7.{}", hashlib.sha256)  # by the standard's words
        for secret in secrets
    ]
    found = [base64.b64decode(part.split(",")[1]) for part in sent["webhook-signature"].split(" ")]
    assert found == expected
