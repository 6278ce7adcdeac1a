"""Between pictures and the tensors that diffusion works on."""

import numpy as np
import torch
from torch import Tensor


def image_to_tensor(image: np.ndarray) -> Tensor:
    """Turn a uint8 picture into what the networks see.

    Args:
        image: [H, W, 3] uint8.

    Returns:
        [1, 3, H, W] float32 in [−1, 1]; 0 maps to −1, 255 to 1.
    """
    array = np.ascontiguousarray(image).astype(np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).contiguous()


def images_to_tensor(images: list[np.ndarray]) -> Tensor:
    """Stack equally sized uint8 pictures.

    Args:
        images: N arrays, each [H, W, 3] uint8.

    Returns:
        [N, 3, H, W] float32 in [−1, 1].
    """
    return torch.cat([image_to_tensor(image) for image in images])


def tensor_to_images(tensor: Tensor) -> list[np.ndarray]:
    """Turn network output into pictures, rounding to the nearest of 256 levels.

    Args:
        tensor: [N, 3, H, W], any float type, clipped to [−1, 1] first.

    Returns:
        N arrays, each [H, W, 3] uint8.
    """
    levels = ((tensor.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
    return [np.ascontiguousarray(image) for image in levels.permute(0, 2, 3, 1).cpu().numpy()]
