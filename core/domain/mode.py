"""How a photo's prior is constrained: the one word for it everywhere."""

from enum import StrEnum


class Mode(StrEnum):
    """The three ways to restore.

    personal: the prior tuned on the subject's own album (paper, section 4.2).
    generative: the prior tuned on an album sampled from the photo itself (paper, section 4.1).
    direct: the prior untouched; the preview.
    """

    PERSONAL = "personal"
    GENERATIVE = "generative"
    DIRECT = "direct"
