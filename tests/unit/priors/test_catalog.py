import re
from urllib.parse import urlsplit

import pytest
import torch

from core.priors.adm import AdmLayout, network_config
from core.priors.catalog import CATALOG
from core.priors.diffusers_unet import build_network
from tests.fakes import tiny_spec

PUBLISHED = [name for name, entry in CATALOG.items() if entry.kind != "packaged"]
GIB = 2**30

DEEP = (False, False, False, False, True, False)
DDPM = {
    "sample_size": 256,
    "block_out_channels": (128, 128, 256, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
    "attention_head_dim": None,
}
NETWORKS = {
    "paper": network_config(AdmLayout(128, (1, 1, 2, 2, 4, 4), 2, DEEP, 6, True), 256, None, 0.1),
    "p2": network_config(AdmLayout(128, (1, 1, 2, 2, 4, 4), 1, DEEP, 6, True), 256, 64, 0.0),
    "openai": network_config(
        AdmLayout(256, (1, 1, 2, 2, 4, 4), 2, (False, False, False, True, True, True), 6, True), 256, 64, 0.0
    ),
    "ddpm": DDPM,
}
NETWORK_OF = {
    "ffhq-256": "paper",
    "ffhq-p2-256": "p2",
    "ffhq-ilvr-256": "p2",
    "dogs-p2-256": "p2",
    "ddpm-celebahq-256": "ddpm",
    "ddpm-ema-celebahq-256": "ddpm",
    "ddpm-cat-256": "ddpm",
    "ddpm-ema-church-256": "ddpm",
    "adm-cat-256": "openai",
    "adm-horse-256": "openai",
    "adm-any-256": "openai",
}


def test_the_priors_that_were_asked_for_are_there():
    assert {"starter", "ffhq-256", "ddpm-celebahq-256", "ddpm-cat-256"} <= CATALOG.keys()
    assert all(name == entry.name for name, entry in CATALOG.items())


def test_names_are_plain_so_that_they_can_be_folders():
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in CATALOG)


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_says_source_licence_resolution_and_memory(name):
    entry = CATALOG[name]
    assert urlsplit(entry.page).scheme == urlsplit(entry.paper).scheme == "https"
    assert entry.title
    assert entry.category
    assert len(entry.licence) > 10
    assert entry.resolution in (64, 128, 256)
    needs = entry.needs
    assert needs.disk_bytes == 4 * entry.parameters > 0
    assert needs.disk_bytes < needs.inference_fp32_bytes < needs.tuning_bytes
    assert 0 < needs.inference_bf16_bytes < needs.tuning_bytes
    # Weights, gradients and both moments in float32 are the least that tuning takes; nothing here needs a data centre.
    assert 16 * entry.parameters < needs.tuning_bytes < 64 * GIB


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_could_not_be_checked_says_so(name):
    assert not CATALOG[name].verified
    assert "Not checked here" in CATALOG[name].notes


def test_nothing_is_called_free_for_commerce_whose_pictures_are_not():
    assert not any(entry.commercial_use for entry in CATALOG.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_files_are_plain_names_with_addresses_and_whole_hashes(name):
    entry = CATALOG[name]
    assert bool(entry.files) == (entry.kind in ("diffusers", "adm"))
    assert len({file.name for file in entry.files}) == len(entry.files)
    for file in entry.files:
        assert re.fullmatch(r"[\w.-]+", file.name)
        assert not file.name.startswith(".")
        assert urlsplit(file.url).scheme == "https"
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.sha256 != "0" * 64


def test_a_pipeline_brings_description_schedule_and_weights():
    for entry in CATALOG.values():
        if entry.kind == "diffusers":
            assert [file.name for file in entry.files[:2]] == ["config.json", "scheduler_config.json"]
            assert entry.files[2].name.startswith("diffusion_pytorch_model.")
        if entry.kind == "adm":
            assert len(entry.files) == 1
            assert entry.files[0].name.endswith(".pt")


@pytest.mark.parametrize("network", NETWORKS)
def test_parameter_counts_are_those_of_the_published_networks(network):
    with torch.device("meta"):
        built = build_network(tiny_spec(network=NETWORKS[network]))
    counted = sum(parameter.numel() for parameter in built.parameters())
    names = [name for name in PUBLISHED if NETWORK_OF[name] == network]
    assert {CATALOG[name].parameters for name in names} == {counted}


def test_heads_are_named_where_a_conversion_needs_them():
    assert CATALOG["ffhq-256"].head_channels is None
    assert {CATALOG[name].head_channels for name in PUBLISHED if NETWORK_OF[name] in ("p2", "openai")} == {64}
