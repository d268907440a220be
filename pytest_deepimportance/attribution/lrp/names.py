"""Names of torch functions by what they do to relevance (all spellings share one name)."""

from __future__ import annotations

LINEAR_LAYERS = frozenset(
    {"linear", "conv1d", "conv2d", "conv3d"}
    | {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
)
"""A signal, a weight, and a bias for each channel."""

PRODUCTS = frozenset(
    {"matmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm", "einsum", "tensordot"}
    | {"inner", "dot", "vdot", "chain_matmul", "linalg_matmul", "linalg_multi_dot", "outer"}
    | {"ger", "kron", "cross", "linalg_cross", "linalg_vecdot"}
)
"""Contractions: a linear layer where one operand is constant, else a product of signals."""

_UNARY = frozenset(
    {"relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardtanh"}
    | {"softplus", "sigmoid", "tanh", "hardsigmoid", "softsign", "logsigmoid", "tanhshrink"}
    | {"hardshrink", "softshrink", "threshold", "clamp", "clamp_min", "clamp_max", "sin", "sinh"}
    | {"asin", "asinh", "atan", "arctan", "erf", "expm1", "log1p", "exp", "exp2", "cos", "cosh"}
    | {"arcsin", "arcsinh", "acos", "arccos", "atanh", "arctanh", "tan", "erfc", "erfinv", "sinc"}
    | {"square", "sqrt", "round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "frac", "i0"}
    | {"floor_divide", "floordiv", "fmod", "remainder", "mod"}
)
ELEMENTWISE = _UNARY | frozenset(
    {f"special_{name}" for name in ("erf", "erfc", "erfinv", "exp2", "expm1", "log1p", "sinc")}
    | {f"special_{name}" for name in ("round", "i0", "i0e", "i1", "i1e", "ndtr", "log_ndtr")}
    | {f"special_{name}" for name in ("erfcx", "bessel_j0", "bessel_j1", "airy_ai")}
    | {"special_spherical_bessel_j0", "special_modified_bessel_i0", "special_modified_bessel_i1"}
)
"""The secant (f(x) - f(0)) / x."""

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax", "log_softmax", "softmin"})
"""Their results weight other signals: constant in a product."""

STATISTICS = frozenset({"rsqrt", "reciprocal"})
"""Their results scale or divide other signals: constant in a product."""

FIRST_DEGREE = frozenset(
    {"std", "norm", "linalg_norm", "linalg_vector_norm", "linalg_matrix_norm", "frobenius_norm"}
    | {"native_norm", "norm_except_dim", "nuclear_norm", "cdist", "pdist", "dist", "hypot"}
)
"""Statistics with f(a x) = a f(x): autograd's gradient hands on all that it is given."""

WRITES = frozenset(
    {"setitem", "copy", "fill", "fill_diagonal", "index_copy", "index_add", "index_fill"}
    | {"index_put", "put", "scatter", "scatter_add", "slice_scatter", "select_scatter"}
    | {"diagonal_scatter", "as_strided_scatter", "masked_scatter"}
)
"""Write signals or constants into tensors of signals or constants."""

SAMPLERS = frozenset({"grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"})
"""Read an image at places that another tensor gives."""

IDENTITIES = frozenset({"detach", "data"})
"""Stop gradients in training; in the forward pass, which relevance explains, they do nothing."""

_ARRANGING = frozenset(
    {"flatten", "unflatten", "ravel", "view", "view_as", "reshape", "reshape_as", "permute"}
    | {"transpose", "t", "T", "mT", "H", "mH", "adjoint", "movedim", "moveaxis", "swapaxes"}
    | {"swapdims", "squeeze", "unsqueeze", "expand", "expand_as", "broadcast_to", "contiguous"}
    | {"broadcast_tensors", "clone", "to", "float", "double", "half", "bfloat16", "type"}
    | {"type_as", "cpu", "cuda", "chunk", "unsafe_chunk", "split", "unsafe_split", "hsplit"}
    | {"split_with_sizes", "tensor_split", "vsplit", "dsplit", "unbind", "narrow", "select"}
    | {"index_select", "gather", "take", "take_along_dim", "getitem", "masked_select", "roll"}
    | {"flip", "fliplr", "flipud", "rot90", "repeat", "repeat_interleave", "tile", "unfold"}
    | {"fold", "im2col", "col2im", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"}
    | {"native_channel_shuffle", "diagonal", "diag", "diag_embed", "tril", "triu", "sort", "topk"}
    | {"iter", "atleast_1d", "atleast_2d", "atleast_3d", "as_strided", "real", "positive"}
    | {"requires_grad", "retain_grad", "index", "pin_memory", "values", "kthvalue", "msort"}
    | {"meshgrid", "cartesian_prod", "combinations", "diagflat", "linalg_diagonal"}
    | {"to_dense", "to_sparse", "to_mkldnn", "coalesce", "resolve_conj", "resolve_neg", "conj"}
    | {"conj_physical", "imag", "complex", "view_as_real", "view_as_complex", "cfloat", "cdouble"}
    | {"chalf", "resize", "resize_as", "unsafe_split_with_sizes", "xpu", "ipu", "mtia"}
)
_COPYING = frozenset(
    f"{name}_copy"
    for name in (
        "alias", "as_strided", "conj", "detach", "diagonal", "expand", "fw_primal", "narrow",
        "neg_view", "permute", "reshape_alias", "select", "slice", "split", "split_with_sizes",
        "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "values", "view",
        "view_as_complex", "view_as_real",
    )
)  # fmt: skip
_LINEAR = frozenset(
    {"neg", "negative", "sum", "mean", "cumsum", "diff", "trace", "dropout", "interpolate"}
    | {"upsample", "upsample_nearest", "upsample_bilinear", "avg_pool1d", "deg2rad", "rad2deg"}
    | {"avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"}
    | {"adaptive_avg_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d", "nansum"}
    | {"nanmean", "zero", "constant_pad_nd", "sum_to_size", "block_diag", "gradient", "trapz"}
    | {"trapezoid", "cumulative_trapezoid", "stft", "istft", "segment_reduce", "scatter_reduce"}
    | {"index_reduce"}
)
_FOURIER = frozenset(
    f"fft_{name}{dims}"
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
    for dims in ("", "2", "n")
) | {"fft_fftshift", "fft_ifftshift"}
_WINNERS = frozenset(
    {"relu", "leaky_relu", "prelu", "rrelu", "abs", "absolute", "nan_to_num", "max_pool1d"}
    | {"max_pool2d", "max_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices"}
    | {"max_pool3d_with_indices", "adaptive_max_pool1d", "adaptive_max_pool2d"}
    | {"adaptive_max_pool3d", "adaptive_max_pool1d_with_indices", "fractional_max_pool2d"}
    | {"adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices", "max", "min"}
    | {"fractional_max_pool3d", "amax", "amin", "maximum", "minimum", "fmax", "fmin", "median"}
    | {"fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices", "mode"}
    | {"cummax", "cummin", "nanmedian", "aminmax", "quantile", "nanquantile"}
)
PLAIN = _ARRANGING | _COPYING | _LINEAR | _FOURIER | _WINNERS
"""Linear, or linear in pieces that go through the origin: autograd's gradient is the rule."""

JOINS = frozenset(
    {"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"}
    | {"row_stack", "where"}
)
"""Linear in tensors of which some may be constant."""

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh"})
"""Whole recurrent layers and their cells in one function, unrolled."""

PACKINGS = frozenset({"pack_padded_sequence", "pad_packed_sequence"})
"""Arrange the tokens of `PackedSequence`."""

SOURCES = frozenset({"embedding", "embedding_bag"})
"""Turn integers into signals: the graph begins at their results."""

LOOKUPS = frozenset({"getitem", "index_select"})
"""Do the same where a table of numbers is read by integers that come from the inputs."""

MAY_WRITE = frozenset({"relu", "leaky_relu", "rrelu", "dropout"})
"""Take `inplace=True` and leave their gradient to autograd."""
