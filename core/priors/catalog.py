"""Published priors by name: where they come from, what their licence allows, what they need. Torch-free.

No hash here was computed by us: this catalog was written without access to the weights. A sha256 that stands here was
published beside its file; where it is None the publisher names none, and `pull` says what it got. Memory was counted
by tracing each network's allocations at 256 pixels, one image (batch 4 for tuning): a lower bound, to which the
framework adds its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["packaged", "diffusers", "adm", "by_hand"]
_GIB = 2**30
_HUB = "https://huggingface.co/google"
_OPENAI = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021"


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch; `sha256` is None where its publisher names none."""

    name: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class Needs:
    """What a prior takes, in bytes.

    Attributes:
        disk_bytes: of what is downloaded.
        inference_fp32_bytes: weights and one image's forward.
        inference_bf16_bytes: the same under autocast: float32 weights, their bf16 copies, half the activations.
        tuning_bytes: every weight with AdamW in float32 at batch 4, without checkpointing.
    """

    disk_bytes: int
    inference_fp32_bytes: int
    inference_bf16_bytes: int
    tuning_bytes: int


@dataclass(frozen=True)
class CatalogEntry:
    """One published prior.

    Attributes:
        kind: `packaged` with Heirloom; a `diffusers` folder; an `adm` checkpoint that is converted; or to be fetched
            `by_hand`, because its address is not a plain download or is not published.
        page: where a person reads about it, and fetches it by hand.
        files: what `pull` downloads.
        verified: whether we have loaded these very weights.
        commercial_use: whether both the weights' licence and the terms of the images they learned from allow it.
        head_channels: for the conversion of an `adm` or `by_hand` checkpoint; None: one head.
        notes: what a person should know; what could not be checked stands here.
    """

    name: str
    title: str
    kind: Kind
    page: str
    files: tuple[RemoteFile, ...]
    licence: str
    commercial_use: bool
    resolution: int
    category: str
    parameters: int
    needs: Needs
    verified: bool = False
    head_channels: int | None = None
    paper: str = ""
    notes: str = ""


def _needs(parameters: int, activations_gib: float, saved_gib: float) -> Needs:
    """From the parameter count and one image's activations: the most alive in a forward, and what backward keeps."""
    return Needs(
        disk_bytes=4 * parameters,
        inference_fp32_bytes=4 * parameters + int(activations_gib * _GIB),
        inference_bf16_bytes=6 * parameters + int(activations_gib * _GIB / 2),
        tuning_bytes=16 * parameters + int(4 * saved_gib * _GIB),
    )


_PAPER_NEEDS = _needs(131_713_286, 0.39, 2.64)
_P2_NEEDS = _needs(93_563_910, 0.33, 1.86)
_DDPM_NEEDS = _needs(113_673_219, 0.36, 2.01)
_OPENAI_NEEDS = _needs(552_814_086, 1.02, 5.79)
_TERMS = {
    "faces": "CelebA-HQ's own terms are non-commercial research",
    "cats": "LSUN's pictures were gathered from the web, their rights are not cleared",
    "buildings": "LSUN's pictures were gathered from the web, their rights are not cleared",
}
_UNCHECKED = "Not checked here: no weights could be downloaded where this was written."


def _ddpm(name: str, revision: str, category: str, images: str, safetensors_sha256: str | None = None) -> CatalogEntry:
    """One of Google's DDPM folders (Ho et al. 2020) in the flat layout, pinned where a revision is known."""
    base = f"{_HUB}/{name}/resolve/{revision}"
    kind = "safetensors" if safetensors_sha256 else "bin"
    weights = RemoteFile(
        f"diffusion_pytorch_model.{kind}", f"{base}/diffusion_pytorch_model.{kind}", safetensors_sha256
    )
    described = tuple(RemoteFile(file, f"{base}/{file}") for file in ("config.json", "scheduler_config.json"))
    return CatalogEntry(
        name=name,
        title=f"DDPM, {images}, 256 px",
        kind="diffusers",
        page=f"{_HUB}/{name}",
        files=(*described, weights),
        licence=f"Apache-2.0 by its model card; {_TERMS[category]}",
        commercial_use=False,
        resolution=256,
        category=category,
        parameters=113_673_219,
        needs=_DDPM_NEEDS,
        paper="https://arxiv.org/abs/2006.11239",
        notes=_UNCHECKED,
    )


def _openai(name: str, file: str, category: str, images: str) -> CatalogEntry:
    """One of OpenAI's unconditional ADM checkpoints (Dhariwal & Nichol 2021)."""
    return CatalogEntry(
        name=name,
        title=f"ADM, {images}, 256 px",
        kind="adm",
        page="https://github.com/openai/guided-diffusion",
        files=(RemoteFile(file, f"{_OPENAI}/{file}"),),
        licence="MIT (repository); its model card: research only, not intended to be deployed commercially",
        commercial_use=False,
        resolution=256,
        category=category,
        parameters=552_814_086,
        needs=_OPENAI_NEEDS,
        head_channels=64,
        paper="https://arxiv.org/abs/2105.05233",
        notes=f"Converted after the download (about 4 GiB of memory). {_UNCHECKED}",
    )


def _by_hand(name: str, title: str, page: str, needs: Needs, parameters: int, **rest: str) -> CatalogEntry:
    """A face or pet prior in ADM's format that a person must fetch."""
    return CatalogEntry(
        name=name,
        title=title,
        kind="by_hand",
        page=page,
        files=(),
        licence=rest["licence"],
        commercial_use=False,
        resolution=256,
        category=rest.get("category", "faces"),
        parameters=parameters,
        needs=needs,
        head_channels=64 if parameters == 93_563_910 else None,
        paper=rest.get("paper", ""),
        notes=f"{rest['notes']} {_UNCHECKED}",
    )


_NO_WEIGHT_LICENCE = "no licence is named for the weights; FFHQ's own terms (CC BY-NC-SA 4.0) exclude commercial use"
_ENTRIES = (
    CatalogEntry(
        name="starter",
        title="Heirloom's own small face prior",
        kind="packaged",
        page="",
        files=(),
        licence="see its README",
        commercial_use=False,
        resolution=128,
        category="faces",
        parameters=0,
        needs=Needs(0, 0, 0, 0),
        verified=True,
        notes="Comes with Heirloom; what it is stands in its own prior.json and README.",
    ),
    _by_hand(
        "ffhq-256",
        "The paper's FFHQ prior, 256 px",
        "https://github.com/adobe-research/gen2res",
        _PAPER_NEEDS,
        131_713_286,
        licence="Adobe Research licence, non-commercial; FFHQ's terms (CC BY-NC-SA 4.0) exclude commercial use too",
        paper="https://arxiv.org/abs/2312.17161",
        notes="The link to these weights in the authors' README is empty in every copy that we could read: ask them. "
        "Convert with --dropout 0.1, one attention head.",
    ),
    _by_hand(
        "ffhq-p2-256",
        "P2-weighted ADM, FFHQ, 256 px",
        "https://drive.google.com/file/d/1nlCPBqOqSeqAQ8F4noThbnmr4okriwTc/view",
        _P2_NEEDS,
        93_563_910,
        licence=_NO_WEIGHT_LICENCE,
        paper="https://arxiv.org/abs/2204.00227",
        notes="ffhq_p2.pt of github.com/jychoi118/P2-weighting; a Drive page, not a plain download. "
        "One residual block per level: the paper's network is larger.",
    ),
    _by_hand(
        "ffhq-ilvr-256",
        "ADM of ILVR and DPS, FFHQ, 256 px",
        "https://drive.google.com/file/d/117Y6Z6-Hg6TMZVIXMmgYbpZy7QvTXign/view",
        _P2_NEEDS,
        93_563_910,
        licence=_NO_WEIGHT_LICENCE,
        paper="https://arxiv.org/abs/2108.02938",
        notes="ffhq_10m.pt of github.com/jychoi118/ilvr_adm, which has seen ten million images; "
        "a Drive page, not a plain download.",
    ),
    _by_hand(
        "dogs-p2-256",
        "P2-weighted ADM, AFHQ dogs, 256 px",
        "https://drive.google.com/file/d/1f6_swzSPNJXs9FWf6AW585bv7dORzRWf/view",
        _P2_NEEDS,
        93_563_910,
        licence="no licence is named for the weights; AFHQ's own terms (CC BY-NC 4.0) exclude commercial use",
        category="dogs",
        paper="https://arxiv.org/abs/2204.00227",
        notes="afhq_p2.pt of github.com/jychoi118/P2-weighting; a Drive page, not a plain download.",
    ),
    _ddpm("ddpm-celebahq-256", "cd5c944777ea2668051904ead6cc120739b86c4d", "faces", "CelebA-HQ"),
    _ddpm("ddpm-ema-celebahq-256", "main", "faces", "CelebA-HQ"),
    _ddpm(
        "ddpm-cat-256",
        "82ca0d5db4a5ec6ff0e9be8d86852490bc18a3d9",
        "cats",
        "LSUN cats",
        "0806be43de621861d03d96670492ea2e65943c96155b5d1c81bcc813668946a9",
    ),
    _ddpm("ddpm-ema-church-256", "main", "buildings", "LSUN churches"),
    _openai("adm-cat-256", "lsun_cat.pt", "cats", "LSUN cats"),
    _openai("adm-horse-256", "lsun_horse.pt", "horses", "LSUN horses"),
    _openai("adm-any-256", "256x256_diffusion_uncond.pt", "any", "ImageNet"),
)

CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}
"""Every prior that we know of. Class-conditional checkpoints are left out: nobody knows a photo's class."""
_DROPOUT = {"ffhq-256": 0.1}
"""While tuning, where a release was trained with it: a checkpoint does not tell."""


def by_hand_advice(entry: CatalogEntry, folder: Path) -> str:
    """How a person gets a prior that no program can fetch.

    Args:
        entry: of the kind `by_hand`.
        folder: where the prior shall stand.
    """
    heads = f" --head-channels {entry.head_channels}" if entry.head_channels else ""
    dropout = f" --dropout {_DROPOUT[entry.name]}" if entry.name in _DROPOUT else ""
    return f"Fetch it by hand from {entry.page}, then `heirloom models convert FILE -o {folder}{heads}{dropout}`."
