"""Arguments for operators whose schema does not say what they need: {base name or overload: (args, kwargs)}."""

import torch

IMAGE, VOLUME = torch.rand(2, 4, 8, 8), torch.rand(2, 4, 8, 8, 8)
GRID = torch.rand(2, 5, 5, 2) * 2 - 1
SIX = torch.rand(4, 6)
WHICH = torch.tensor([0, 2, 1])
TRUE = torch.ones(4, 6, dtype=torch.bool)
POOLED, WHERE = torch.nn.functional.max_pool2d(IMAGE, 2, return_indices=True)
POOLED3, WHERE3 = torch.nn.functional.max_pool3d(VOLUME, 2, return_indices=True)
ONE, FOUR = torch.ones(1), torch.ones(4)
BAG = (torch.rand(10, 3), torch.tensor([1, 2, 4, 5]), torch.tensor([0, 2]))
LENGTHS = torch.tensor([3, 2])


def given(*args, **kwargs):
    return args, kwargs


def norm(*rest):
    return given(IMAGE, FOUR, FOUR, torch.zeros(4), torch.ones(4), *rest)


BY_HAND = {
    "_dirichlet_grad": given(torch.rand(3, 4), torch.rand(3, 4), torch.rand(3, 4) + 4),
    "_nested_from_padded": given(torch.rand(2, 3, 4), torch.tensor([[2, 4], [3, 4]])),
    "_sample_dirichlet": given(torch.rand(3, 4) + 1),
    "binomial": given(torch.full((4,), 3.0), torch.rand(4)),
    "cross": given(torch.rand(4, 3), torch.rand(4, 3)),
    "linalg_cross": given(torch.rand(4, 3), torch.rand(4, 3)),
    "cumprod_backward": given(SIX, SIX, 0, SIX.cumprod(0)),
    "fake_quantize_per_channel_affine_cachemask": given(SIX, FOUR, torch.zeros(4, dtype=torch.int32), 0, -128, 127),
    "fake_quantize_per_tensor_affine_cachemask": given(SIX, 0.1, 0, -128, 127),
    "_fused_moving_avg_obs_fq_helper": given(
        *(SIX, torch.ones(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64), ONE - 1, ONE + 5, ONE),
        *(torch.zeros(1, dtype=torch.int32), 0.01, -128, 127, -1),
    ),
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams": given(
        SIX, ONE, torch.zeros(1, dtype=torch.int32), torch.ones(1, dtype=torch.int64), -128, 127
    ),
    "value_selecting_reduction_backward": given(torch.rand(6), 0, torch.zeros(6, dtype=torch.int64), [4, 6], False),
    "_prelu_kernel": given(SIX, torch.rand(6)),
    "_prelu_kernel_backward": given(SIX, SIX, torch.rand(4, 6)),
    "_amp_foreach_non_finite_check_and_unscale": given([SIX.clone()], torch.zeros(1), ONE),
    "_amp_update_scale": given(torch.ones(1), torch.zeros(1, dtype=torch.int32), torch.zeros(1), 2.0, 0.5, 10),
    "_masked_softmax": given(torch.rand(2, 4, 6, 6), torch.zeros(6, 6, dtype=torch.bool), 3, 0),
    "_weight_norm_interface": given(SIX, torch.rand(4, 1)),
    "_pdist_forward": given(SIX),
    "_ctc_loss": given(torch.rand(8, 2, 5).log_softmax(-1), torch.ones(2, 3, dtype=torch.int64), [8, 8], [3, 2]),
    "aten._ctc_loss.Tensor": given(
        torch.rand(8, 2, 5).log_softmax(-1), torch.ones(2, 3, dtype=torch.int64), torch.tensor([8, 8]), LENGTHS
    ),
    "_cummax_helper": given(SIX, SIX.clone(), torch.zeros(4, 6, dtype=torch.int64), 0),
    "_cummin_helper": given(SIX, SIX.clone(), torch.zeros(4, 6, dtype=torch.int64), 0),
    "multi_margin_loss": given(SIX, torch.tensor([0, 1, 2, 3])),
    "multi_margin_loss_backward": given(ONE[0], SIX, torch.tensor([0, 1, 2, 3]), 1, 1.0),
    "multilabel_margin_loss_forward": given(SIX, torch.zeros(4, 6, dtype=torch.int64), 1),
    "segment_reduce": given(torch.rand(6), "sum", lengths=torch.tensor([2, 4])),
    "avg_pool1d": given(torch.rand(2, 4, 8), [2]),
    "avg_pool3d": given(VOLUME, [2, 2, 2]),
    "max_pool2d": given(IMAGE, [2, 2]),
    "max_pool2d_with_indices": given(IMAGE, [2, 2]),
    "max_pool3d_with_indices": given(VOLUME, [2, 2, 2]),
    "mkldnn_max_pool2d": lambda: given(IMAGE.to_mkldnn(), [2, 2]),
    "fractional_max_pool2d": given(IMAGE, [2, 2], [4, 4], torch.rand(2, 4, 2)),
    "fractional_max_pool3d": given(VOLUME, [2, 2, 2], [4, 4, 4], torch.rand(2, 4, 3)),
    "max_unpool2d": given(POOLED, WHERE, [8, 8]),
    "max_unpool3d": given(POOLED3, WHERE3, [8, 8, 8], [2, 2, 2], [0, 0, 0]),
    "_pad_packed_sequence": given(torch.rand(5, 4), torch.tensor([2, 2, 1]), True, 0.0, 3),
    "_pack_padded_sequence": given(torch.rand(2, 3, 4), LENGTHS, True),
    "_chunk_cat": given([SIX, SIX], 0, 2),
    "as_strided_scatter": given(SIX, torch.rand(2, 3), [2, 3], [3, 1]),
    "col2im": given(torch.rand(2, 16, 16), [8, 8], [2, 2], [1, 1], [0, 0], [2, 2]),
    "im2col": given(IMAGE, [2, 2], [1, 1], [0, 0], [2, 2]),
    "native_channel_shuffle": given(IMAGE, 2),
    "channel_shuffle": given(IMAGE, 2),
    "pixel_shuffle": given(IMAGE, 2),
    "pixel_unshuffle": given(IMAGE, 2),
    "unfold_backward": given(torch.rand(2, 2), [5], 0, 2, 2),
    "diagonal_backward": given(torch.rand(4), [4, 6], 0, 0, 1),
    "select_backward": given(torch.rand(6), [4, 6], 0, 1),
    "slice_backward": given(torch.rand(2, 6), [4, 6], 0, 0, 2, 1),
    "split_with_sizes_copy": given(SIX, [1, 3]),
    "_reshape_copy": given(SIX, [3, 8]),
    "nll_loss_forward": given(SIX, torch.tensor([0, 1, 2, 3]), None, 1, -100),
    "nll_loss2d_forward": given(IMAGE, torch.zeros(2, 8, 8, dtype=torch.int64), None, 1, -100),
    "embedding": given(torch.rand(10, 3), WHICH),
    "embedding_dense_backward": given(torch.rand(3, 4), WHICH, 10, -1, False),
    "_embedding_bag": given(*BAG),
    "_embedding_bag_forward_only": given(*BAG),
    "_embedding_bag_per_sample_weights_backward": given(torch.rand(2, 3), *BAG, torch.tensor([0, 0, 1, 1]), 0),
    "embedding_renorm": given(torch.rand(10, 3), WHICH, 1.0, 2.0),
    "grid_sampler_2d": given(IMAGE, GRID, 0, 0, False),
    "_grid_sampler_2d_cpu_fallback": given(IMAGE, GRID, 0, 0, False),
    "grid_sampler_3d": given(VOLUME, torch.rand(2, 5, 5, 5, 3), 0, 0, False),
    "masked_scatter": given(SIX, TRUE, torch.rand(4, 6)),
    "masked_scatter_backward": given(SIX, TRUE, [4, 6]),
    "index_select_backward": given(torch.rand(3, 6), [4, 6], 0, WHICH),
    "index_add": given(SIX, 0, WHICH, torch.rand(3, 6)),
    "index_copy": given(SIX, 0, WHICH, torch.rand(3, 6)),
    "index_reduce": given(SIX, 0, WHICH, torch.rand(3, 6), "prod"),
    "index_select": given(SIX, 0, WHICH),
    "index_put": given(SIX, [WHICH], torch.rand(3, 6)),
    "_index_put_impl": given(SIX, [WHICH], torch.rand(3, 6)),
    "_unsafe_index_put": given(SIX, [WHICH], torch.rand(3, 6)),
    "_unsafe_masked_index": given(SIX, torch.ones(3, dtype=torch.bool)[:, None], [WHICH], 0),
    "_unsafe_masked_index_put_accumulate": given(
        SIX, torch.ones(3, 6, dtype=torch.bool), [WHICH[:, None]], torch.rand(3, 6)
    ),
    "index": given(SIX, [WHICH]),
    "_unsafe_index": given(SIX, [WHICH]),
    "aten.scatter.reduce": given(SIX, 0, WHICH[:, None], torch.rand(3, 1), reduce="add"),
    "aten.scatter_.reduce": given(SIX, 0, WHICH[:, None], torch.rand(3, 1), reduce="add"),
    "aten.scatter.value_reduce": given(SIX, 0, WHICH[:, None], 1.0, reduce="add"),
    "aten.scatter_.value_reduce": given(SIX, 0, WHICH[:, None], 1.0, reduce="add"),
    "scatter_reduce": given(SIX, 0, WHICH[:, None], torch.rand(3, 1), "sum"),
    "_fft_r2c": given(SIX, [1], 0, True),
    "_fft_c2r": given(torch.rand(4, 4, dtype=torch.complex64), [1], 0, 6),
    "_fft_c2c": given(torch.rand(4, 4, dtype=torch.complex64), [1], 0, True),
    "native_batch_norm": norm(True, 0.1, 1e-5),
    "_batch_norm_with_update": norm(0.1, 1e-5),
    "_native_batch_norm_legit_no_training": norm(0.1, 1e-5),
    "_native_batch_norm_legit": norm(True, 0.1, 1e-5),
    "aten._native_batch_norm_legit.no_stats": given(IMAGE, FOUR, FOUR, True, 0.1, 1e-5),
    "native_layer_norm": given(SIX, [6], torch.ones(6), torch.ones(6), 1e-5),
    "native_group_norm": given(IMAGE, FOUR, FOUR, 2, 4, 64, 2, 1e-5),
    "_fused_rms_norm": given(SIX, [6], torch.ones(6), 1e-5),
    "block_diag": given([SIX, SIX]),
    "bincount": given(WHICH),
    "bucketize": given(SIX, torch.tensor([0.2, 0.4])),
    "aten.bucketize.Scalar": given(0.3, torch.tensor([0.2, 0.4])),
    "nonzero_static": given(SIX, size=3),
    "multinomial": given(torch.rand(4, 6), 2),
    "kthvalue": given(SIX, 2),
    "aten.repeat_interleave.Tensor": given(WHICH),
    "take": given(SIX, WHICH),
    "put": given(SIX, WHICH, torch.rand(3)),
    "gather": given(SIX, 0, WHICH[:, None]),
    "one_hot": given(WHICH, 4),
    "binary_cross_entropy": given(SIX, torch.rand(4, 6)),
    "binary_cross_entropy_backward": given(SIX, SIX, torch.rand(4, 6)),
    "binary_cross_entropy_with_logits": given(SIX, torch.rand(4, 6)),
    "huber_loss": given(SIX, torch.rand(4, 6)),
    "kl_div": given(SIX, torch.rand(4, 6)),
    "soft_margin_loss": given(SIX, torch.rand(4, 6)),
    "_embedding_bag_dense_backward": given(
        torch.rand(2, 3),
        BAG[1],
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([2, 2]),
        torch.tensor([0, 0]),
        10,
        False,
        0,
        None,
    ),
    "_fused_rms_norm_backward": given(SIX, SIX, [6], torch.rand(4, 1), torch.ones(6), [True, True]),
    "_masked_softmax_backward": given(SIX, SIX, ~TRUE, 1),
    "_pack_padded_sequence_backward": given(torch.rand(5, 4), [2, 3, 4], torch.tensor([2, 2, 1]), True),
    "_to_dense": lambda: given(SIX.to_sparse()),
    "diagonal_scatter": given(SIX, torch.rand(4)),
    "select_scatter": given(SIX, torch.rand(6), 0, 1),
    "fractional_max_pool2d_backward": given(
        torch.rand(2, 4, 4, 4), IMAGE, [2, 2], [4, 4], torch.zeros(2, 4, 4, 4, dtype=torch.int64)
    ),
    "fractional_max_pool3d_backward": given(
        torch.rand(2, 4, 4, 4, 4), VOLUME, [2, 2, 2], [4, 4, 4], torch.zeros(2, 4, 4, 4, 4, dtype=torch.int64)
    ),
    "soft_margin_loss_backward": given(ONE[0], SIX, torch.ones(4, 6), 1),
    "clamp": given(SIX, 0.2, 0.4),
    "clip": given(SIX, 0.2, 0.4),
    "aten.clamp.Tensor": given(SIX, SIX, SIX),
    "aten.clip.Tensor": given(SIX, SIX, SIX),
    "aten.randint.low": given(0, 5, [4]),
    "aten.random_.from": given(torch.rand(6), 0, 5),
    "aten.random.from": given(torch.rand(6), 0, 5),
}
BY_HAND |= {
    f"{kind}_pad{axes}d": given(x, [1] * 2 * axes)
    for kind in ("reflection", "replication")
    for axes, x in ((1, torch.rand(2, 4, 8)), (2, IMAGE), (3, VOLUME))
}
BY_HAND |= {
    f"aten.{name}.vec": given(x, [4] * axes, *([False] if "nearest" not in name else []), None)
    for axes, x in ((1, torch.rand(2, 4, 8)), (2, IMAGE), (3, VOLUME))
    for name in (
        *(f"{kind}{axes}d" for kind in ("upsample_nearest", "_upsample_nearest_exact")),
        *(["upsample_linear1d"] if axes == 1 else ["upsample_trilinear3d"] if axes == 3 else []),
        *(["upsample_bilinear2d", "upsample_bicubic2d"] if axes == 2 else []),
        *(["_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"] if axes == 2 else []),
    )
}
