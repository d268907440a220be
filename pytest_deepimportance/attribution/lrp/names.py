"""Names of torch functions by what they do to relevance (all spellings share one name)."""

from __future__ import annotations

LINEAR_LAYERS = frozenset(
    {"linear", "conv1d", "conv2d", "conv3d"}
    | {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
)
"""A signal, a weight, and a bias for each channel."""

PRODUCTS = frozenset(
    {"matmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm", "einsum", "tensordot"}
    | {"inner", "dot", "vdot", "chain_matmul", "linalg_matmul", "linalg_multi_dot"}
)
"""Contractions: a linear layer where one operand is constant, else a product of signals."""

ELEMENTWISE = frozenset(
    {"relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardtanh"}
    | {"softplus", "sigmoid", "tanh", "hardsigmoid", "softsign", "logsigmoid", "tanhshrink"}
    | {"hardshrink", "softshrink", "threshold", "clamp", "clamp_min", "clamp_max", "sin", "sinh"}
    | {"asin", "asinh", "atan", "arctan", "erf", "expm1", "log1p", "exp", "exp2", "cos", "cosh"}
    | {"square", "sqrt", "round", "floor", "ceil", "trunc", "fix", "sign", "sgn"}
)
"""The secant (f(x) - f(0)) / x."""

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax", "log_softmax", "softmin"})
"""Their results weight other signals: constant in a product."""

STATISTICS = frozenset(
    {"var", "std", "norm", "linalg_norm", "linalg_vector_norm", "rsqrt", "reciprocal"}
)
"""Their results scale or divide other signals: constant in a product."""

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
    | {"requires_grad", "retain_grad", "index", "pin_memory", "values", "kthvalue"}
)
_LINEAR = frozenset(
    {"neg", "negative", "sum", "mean", "cumsum", "diff", "trace", "dropout", "interpolate"}
    | {"upsample", "upsample_nearest", "upsample_bilinear", "grid_sample", "avg_pool1d"}
    | {"avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"}
    | {"adaptive_avg_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d", "nansum"}
    | {"nanmean", "setitem", "copy", "zero", "index_copy", "index_add", "scatter", "scatter_add"}
    | {"slice_scatter", "select_scatter", "index_put"}
    | {"constant_pad_nd", "sum_to_size", "block_diag"}
)
_WINNERS = frozenset(
    {"relu", "leaky_relu", "prelu", "rrelu", "abs", "absolute", "nan_to_num", "max_pool1d"}
    | {"max_pool2d", "max_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices"}
    | {"max_pool3d_with_indices", "adaptive_max_pool1d", "adaptive_max_pool2d"}
    | {"adaptive_max_pool3d", "adaptive_max_pool1d_with_indices", "fractional_max_pool2d"}
    | {"adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices", "max", "min"}
    | {"fractional_max_pool3d", "amax", "amin", "maximum", "minimum", "fmax", "fmin", "median"}
    | {"fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices", "mode"}
    | {"cummax", "cummin", "nanmedian", "aminmax"}
)
PLAIN = _ARRANGING | _LINEAR | _WINNERS
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
