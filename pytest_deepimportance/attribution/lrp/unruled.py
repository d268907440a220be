"""Functions of torch that have no rule: those whose results carry no relevance, and the unknown.

With `rules.RULES` these lists cover every function that torch lets a mode see; a test names what a
new torch adds. A function that is in neither is treated as unknown.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_SIGNAL = _words(
    """
    all allclose and any argmax argmin argsort argwhere assert_async bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bincount bool
    bucketize byte char contains count_nonzero eq equal ge gcd greater greater_equal gt
    heaviside histc histogram histogramdd iand ifloordiv ilshift imod int int_repr invert ior
    irshift isclose isfinite isin isinf isnan isneginf isposinf isreal ixor lcm le less
    less_equal logical_and logical_not logical_or logical_xor long lshift lt ne nonzero
    nonzero_static not_equal one_hot or rfloordiv rlshift rmod ror rrshift rshift rxor
    searchsorted short signbit xor unravel_index hash_tensor functional_assert_async
    linalg_matrix_rank apply array_wrap autocast_to_full_precision
    autocast_to_reduced_precision backward backward_hooks base cdata ccol_indices
    ccol_indices_copy clear_non_serializable_cached_data coalesced col_indices
    col_indices_copy const_data_ptr crow_indices crow_indices_copy data_ptr dense_dim device
    dim dimI dimV dim_order dlpack dlpack_device dtype element_size get get_device grad
    grad_dtype grad_fn indices indices_copy is_coalesced is_complex is_conj is_contiguous
    is_cpu is_cuda is_distributed is_floating_point is_inference is_ipu is_leaf is_maia
    is_meta is_mkldnn is_mps is_mtia is_neg is_nested is_nonzero is_pinned is_quantized
    is_same_size is_set_to is_shared is_signed is_sparse is_sparse_csr is_view is_vulkan
    is_xla is_xpu itemsize layout len module_load name nbytes ndim ndimension nelement
    nested_tensor_size nested_tensor_storage_offsets nested_tensor_strides nnz numel output_nr
    post_accumulate_grad_hooks q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qscheme record_stream reduce reduce_ex
    register_hook register_post_accumulate_grad_hook repr retains_grad row_indices
    row_indices_copy set setstate shape share_memory size slice_inverse sparse_dim storage
    storage_offset storage_type untyped_storage version volatile constant empty_like full_like
    kaiming_uniform ones_like rand zeros_like bernoulli binomial cauchy exponential geometric
    log_normal multinomial normal poisson random uniform all_gather all_gather_coalesced
    all_gather_single all_reduce all_reduce_coalesced all_to_all all_to_all_single broadcast
    irecv isend recv reduce_scatter reduce_scatter_single send batch_norm_backward_elemt
    batch_norm_backward_reduce batch_norm_gather_stats batch_norm_gather_stats_with_counts
    batch_norm_stats batch_norm_update_stats choose_qparams_optimized
    fbgemm_linear_quantize_weight fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix
    rowwise_prune wrapped_linear_prepack
    """
)
"""Booleans, integers, shapes and other properties, new tensors, random numbers, messages."""

UNKNOWN = _words(
    """
    acosh angle arccosh arctan2 atan2 copysign digamma frexp igamma igammac lgamma log log10
    log2 logaddexp logaddexp2 logcumsumexp logit logsumexp mvlgamma nextafter polar polygamma
    xlogy special_bessel_y0 special_bessel_y1 special_chebyshev_polynomial_t
    special_chebyshev_polynomial_u special_chebyshev_polynomial_v
    special_chebyshev_polynomial_w special_digamma special_entr special_gammainc
    special_gammaincc special_gammaln special_hermite_polynomial_h
    special_hermite_polynomial_he special_laguerre_polynomial_l special_legendre_polynomial_p
    special_logit special_logsumexp special_modified_bessel_k0 special_modified_bessel_k1
    special_multigammaln special_ndtri special_polygamma special_psi
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1
    special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u
    special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w
    special_xlog1py special_xlogy special_zeta affine_grid affine_grid_generator
    cholesky_inverse cholesky_solve corrcoef cov det geqrf inverse linalg_cholesky
    linalg_cholesky_ex linalg_cond linalg_det linalg_eig linalg_eigh linalg_eigvals
    linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_ldl_factor
    linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu linalg_lu_factor
    linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_matrix_power
    linalg_matrix_sqrth linalg_pinv linalg_polar linalg_qr linalg_slogdet linalg_solve
    linalg_solve_ex linalg_solve_triangular linalg_svd linalg_svdvals linalg_tensorinv
    linalg_tensorsolve linalg_vander lobpcg logdet lu lu_solve lu_unpack matrix_exp
    matrix_power orgqr ormqr pca_lowrank pinverse slogdet svd svd_lowrank triangular_solve
    binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy
    ctc_loss gaussian_nll_loss hinge_embedding_loss huber_loss kl_div l1_loss
    linear_cross_entropy margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss nll_loss poisson_nll_loss smooth_l1_loss soft_margin_loss
    triplet_margin_loss triplet_margin_with_distance_loss batch_norm_elemt conv_tbc
    convolution fused_rms_norm miopen_batch_norm miopen_convolution
    miopen_convolution_add_relu miopen_convolution_relu miopen_convolution_transpose
    miopen_depthwise_convolution miopen_rnn native_batch_norm_legit dequantize
    fake_quantize_per_channel_affine fake_quantize_per_tensor_affine fbgemm_linear_fp16_weight
    fbgemm_linear_fp16_weight_fp32_activation fbgemm_linear_int8_weight
    fbgemm_linear_int8_weight_fp32_activation fused_moving_avg_obs_fake_quant
    quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm
    quantized_gru_cell quantized_lstm_cell quantized_max_pool1d quantized_max_pool2d
    quantized_max_pool3d quantized_rnn_relu_cell quantized_rnn_tanh_cell
    wrapped_quantized_linear_prepacked deepcopy hsmm make_dual_copy map map2 renorm
    resize_as_sparse reversed saddmm smm sparse_broadcast_to_copy sparse_mask
    sparse_mask_projection sparse_resize sparse_resize_and_clear sspaddmm unique
    unique_consecutive sym_acos sym_asin sym_atan sym_cos sym_cosh sym_float sym_int sym_ite
    sym_max sym_min sym_not sym_sin sym_sinh sym_sqrt sym_sum sym_tan sym_tanh
    """
)
"""Their plain gradient is used and they are named in the notes, with the module that calls them."""
