import numpy as np
import torch

from core.diffusion.images import image_to_tensor, images_to_tensor, tensor_to_images


def test_every_level_survives_the_way_there_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(tensor_to_images(image_to_tensor(levels))[0], levels)


def test_the_range_is_minus_one_to_one_and_beyond_is_clipped():
    picture = np.array([[[0, 255, 0]]], dtype=np.uint8)
    tensor = image_to_tensor(picture)
    assert tensor.shape == (1, 3, 1, 1)
    assert tensor.flatten().tolist() == [-1.0, 1.0, -1.0]
    assert tensor_to_images(torch.full((1, 3, 1, 1), 9.0))[0].tolist() == [[[255, 255, 255]]]


def test_pictures_are_stacked_in_order():
    pictures = [np.full((2, 2, 3), value, np.uint8) for value in (0, 255)]
    assert images_to_tensor(pictures)[:, 0, 0, 0].tolist() == [-1.0, 1.0]
