"""How a CUDA device is set up before anything computes on it: the same seed gives the same pixels there too.

None of this can be seen without a GPU; tests/gpu holds it to its promises where there is one.
"""

import os

import torch


def prepare_cuda() -> None:
    """Choose the deterministic algorithm wherever there is a choice, and IEEE float32 where float32 is asked for.

    - cuBLAS repeats itself only with a fixed workspace; the variable is read when CUDA starts.
    - cuDNN's benchmark mode chooses by stopwatch, so that two runs may differ; some of its gradients add in any order.
    - cuDNN rounds float32 convolutions to TF32's ten bits unless told not to: 1e-3 instead of 1e-6 from the CPU.
      (The newer `fp32_precision` settings do the same, but inductor reads this one and refuses a mixture.)
    - The fused attentions' gradients add in any order; at 16 × 16 positions attention is a thousandth of the work.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)
