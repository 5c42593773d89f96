"""Which ops outside the MAC array are what, and the elementary operations that they take."""


def _names(text):
    return set(text.split())


ELEMENTWISE = {  # operations per output element, where not 1
    "addcdiv": 3,
    "addcmul": 3,
    "binary_cross_entropy_backward": 4,
    "celu": 3,
    "elu": 3,
    "elu_backward": 3,
    "gelu": 5,
    "gelu_backward": 10,
    "glu": 2,
    "glu_backward": 5,
    "hardshrink_backward": 1,
    "hardsigmoid": 3,
    "hardsigmoid_backward": 2,
    "hardswish": 4,
    "hardswish_backward": 5,
    "hardtanh_backward": 2,
    "huber_loss_backward": 4,
    "leaky_relu_backward": 1,
    "lerp": 3,
    "log_sigmoid_forward": 4,
    "log_sigmoid_backward": 4,
    "mish": 4,
    "mish_backward": 8,
    "mse_loss_backward": 2,
    "native_dropout": 2,
    "polar": 3,
    "rrelu_with_noise": 2,
    "rrelu_with_noise_backward": 1,
    "selu": 3,
    "sigmoid_backward": 3,
    "silu": 2,
    "silu_backward": 5,
    "smooth_l1_loss_backward": 4,
    "soft_margin_loss_backward": 4,
    "softplus": 3,
    "softplus_backward": 3,
    "softshrink_backward": 1,
    "tanh_backward": 3,
    "upsample_bicubic2d": 32,
    "upsample_bilinear2d": 8,
    "upsample_linear1d": 4,
    "upsample_trilinear3d": 16,
    "_upsample_bicubic2d_aa": 32,
    "_upsample_bilinear2d_aa": 8,
    "upsample_bicubic2d_backward": 32,
    "upsample_bilinear2d_backward": 8,
    "upsample_linear1d_backward": 4,
    "upsample_trilinear3d_backward": 16,
    "_upsample_bicubic2d_aa_backward": 32,
    "_upsample_bilinear2d_aa_backward": 8,
    "_fused_dropout": 2,
    "_fused_moving_avg_obs_fq_helper": 8,  # smallest, largest; scale, shift, round, two bounds, back
    "_masked_scale": 2,
    "_prelu_kernel": 2,
    "_prelu_kernel_backward": 4,
    "_thnn_fused_gru_cell": 12,
    "_thnn_fused_lstm_cell": 12,
    "_thnn_fused_gru_cell_backward": 8,
    "_thnn_fused_lstm_cell_backward_impl": 8,
    "_amp_foreach_non_finite_check_and_unscale": 2,
    "_amp_update_scale": 4,
} | dict.fromkeys(
    _names(
        "_dirichlet_grad _nested_from_padded _sample_dirichlet "
        "_standard_gamma _standard_gamma_grad "
        "alpha_dropout bernoulli binomial bitwise_not cauchy "
        "complex cross cumprod_backward dropout exponential fake_quantize_per_channel_affine_cachemask "
        "fake_quantize_per_tensor_affine_cachemask feature_dropout floor_divide geometric isclose isin kl_div "
        "linalg_cross log_normal native_dropout_backward normal normal_functional poisson "
        "rand rand_like randint randint_like randn randn_like random uniform rrelu_with_noise_functional "
        "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams soft_margin_loss "
        "threshold value_selecting_reduction_backward "
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
        "_upsample_nearest_exact2d _upsample_nearest_exact3d "
        "upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward "
        "_upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward _upsample_nearest_exact3d_backward "
    ),
    1,
)

REDUCE = {  # operations per input element, where not 1
    "_log_softmax": 5,
    "_log_softmax_backward_data": 4,
    "_softmax": 5,
    "_safe_softmax": 5,
    "_softmax_backward_data": 4,
    "_masked_softmax": 5,
    "_masked_softmax_backward": 4,
    "binary_cross_entropy": 5,
    "binary_cross_entropy_with_logits": 6,
    "huber_loss": 5,
    "logsumexp": 4,
    "linalg_vector_norm": 2,
    "mse_loss": 3,
    "norm": 2,
    "powsum": 2,
    "linalg__powsum": 2,
    "smooth_l1_loss": 5,
    "std": 3,
    "std_mean": 3,
    "var": 3,
    "var_mean": 3,
    "_weight_norm_interface": 4,
    "_weight_norm_interface_backward": 6,
    "dist": 3,
} | dict.fromkeys(
    _names(
        "_aminmax _is_all_true _is_any_true _logcumsumexp _pdist_forward _pdist_backward _ctc_loss "
        "_ctc_loss_backward _cummax_helper _cummin_helper all amax amin aminmax any argmax argmin bincount "
        "count_nonzero cummax cummin cumprod cumsum diff equal histc logcumsumexp max mean median min mode "
        "multi_margin_loss multi_margin_loss_backward multilabel_margin_loss_forward multilabel_margin_loss_backward "
        "nanmedian nansum nonzero prod segment_reduce _segment_reduce_backward sum trace "
    ),
    1,
)

POOL = {  # the argument that holds the window, or None for adaptive windows that cover the input
    "avg_pool1d": "kernel_size",
    "avg_pool2d": "kernel_size",
    "avg_pool3d": "kernel_size",
    "avg_pool2d_backward": "kernel_size",
    "avg_pool3d_backward": "kernel_size",
    "max_pool2d_with_indices": "kernel_size",
    "max_pool3d_with_indices": "kernel_size",
    "max_pool2d": "kernel_size",
    "mkldnn_max_pool2d": "kernel_size",
    "fractional_max_pool2d": "kernel_size",
    "fractional_max_pool3d": "kernel_size",
    "adaptive_max_pool2d": None,
    "adaptive_max_pool3d": None,
    "_adaptive_avg_pool2d": None,
    "_adaptive_avg_pool3d": None,
    "_adaptive_avg_pool2d_backward": None,
    "_adaptive_avg_pool3d_backward": None,
    "max_pool2d_with_indices_backward": None,
    "max_pool3d_with_indices_backward": None,
    "fractional_max_pool2d_backward": None,
    "fractional_max_pool3d_backward": None,
    "adaptive_max_pool2d_backward": None,
    "adaptive_max_pool3d_backward": None,
    "max_unpool2d": None,
    "max_unpool3d": None,
}
SHAPE_ONLY = {  # arguments of which an op needs the shape alone
    "_adaptive_avg_pool2d_backward": "self",
    "_adaptive_avg_pool3d_backward": "self",
    "adaptive_max_pool2d_backward": "self",
    "adaptive_max_pool3d_backward": "self",
    "avg_pool2d_backward": "self",
    "avg_pool3d_backward": "self",
    "max_pool2d_with_indices_backward": "self",
    "max_pool3d_with_indices_backward": "self",
    "nll_loss_backward": "self",
    "nll_loss2d_backward": "self",
}

COPIES = _names(
    "_lazy_clone _pad_packed_sequence _pack_padded_sequence _pack_padded_sequence_backward "
    "_chunk_cat _conj_physical _to_copy _to_cpu _pin_memory as_strided_scatter block_diag cat clone col2im "
    "constant_pad_nd contiguous copy diag_embed diagonal_backward diagonal_scatter flip im2col "
    "native_channel_shuffle channel_shuffle pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad1d_backward "
    "reflection_pad2d reflection_pad2d_backward reflection_pad3d reflection_pad3d_backward repeat replication_pad1d "
    "replication_pad1d_backward replication_pad2d replication_pad2d_backward replication_pad3d "
    "replication_pad3d_backward roll select_backward select_scatter slice_backward slice_scatter stack tril triu "
    "unfold_backward pin_memory _reshape_copy _stack rot90 to_dense _to_dense split_with_sizes_copy"
)
FILLS = _names(
    "arange eye fill full full_like linspace logspace new_full new_ones new_zeros ones ones_like randperm range "
    "scalar_tensor tril_indices triu_indices zero zeros zeros_like _efficientzerotensor hann_window hamming_window "
    "bartlett_window blackman_window kaiser_window vander"
)
WRITE_ONLY = COPIES | FILLS | {"bernoulli", "uniform", "normal", "random", "exponential", "geometric", "log_normal"}

GATHERS = {  # the argument of which only as many elements are read as are asked for
    "embedding": "weight",
    "gather": "self",
    "index": "self",
    "_unsafe_index": "self",
    "_unsafe_masked_index": "self",
    "index_select": "self",
    "masked_select": "self",
    "nll_loss_forward": "self",
    "nll_loss2d_forward": "self",
    "take": "self",
    "repeat_interleave": "self",
    "_embedding_bag": "weight",
    "_embedding_bag_forward_only": "weight",
    "grid_sampler_2d": "input",
    "grid_sampler_3d": "input",
    "_grid_sampler_2d_cpu_fallback": "input",
    "cudnn_grid_sampler": "self",
}
SCATTERS = {  # the argument whose elements are written into an output that is as large as `self`
    "index_add": "source",
    "index_copy": "source",
    "index_fill": None,
    "index_put": "values",
    "_index_put_impl": "values",
    "_unsafe_index_put": "values",
    "_unsafe_masked_index_put_accumulate": "values",
    "index_reduce": "source",
    "masked_scatter": "source",
    "put": "source",
    "scatter": "src",
    "scatter_add": "src",
    "scatter_reduce": "src",
}
WHOLE_GATHERS = _names(
    "embedding_dense_backward _embedding_bag_dense_backward _embedding_bag_backward embedding_renorm "
    "_embedding_bag_per_sample_weights_backward grid_sampler_2d_backward grid_sampler_3d_backward "
    "cudnn_grid_sampler_backward _grid_sampler_2d_cpu_fallback_backward "
    "kthvalue multinomial nll_loss_backward nll_loss2d_backward one_hot sort topk "
    "_unique _unique2 unique_consecutive unique_dim bucketize searchsorted nonzero_static masked_scatter_backward "
    "index_select_backward"
)
FFT = {"_fft_r2c", "_fft_c2r", "_fft_c2c"}
