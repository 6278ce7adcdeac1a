"""Where an object storage is, and with what it is opened; nothing of it is shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Place:
    """What an operator says of it.

    Attributes:
        bucket: its name.
        endpoint: of anything that speaks S3; empty: Amazon's own, in the region.
        region: that requests are signed for.
        prefix: in front of every object's name; empty, or ending with a slash.
        path_style: the bucket stands in the path, not in the host's name.
        access_key_id: empty: what the machine provides (AWS_… variables, an instance's role).
        secret_access_key: as above.
    """

    bucket: str
    endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    path_style: bool = True
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
