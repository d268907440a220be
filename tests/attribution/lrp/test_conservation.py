"""Around each function with a rule: what goes in comes out, to 1e-6 of the target in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp import names
from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import lrp, noise, realistic

X = noise(3, 1, 6, 6)
W = noise(4, 4, seed=3)
CHANNELS = torch.linspace(0.5, 1.5, 4, dtype=torch.float64)
SHAPE = (4, 4, 4)
PLACE = torch.tensor([2, 0])
GRID = noise(3, 3, 3, 2, seed=5).tanh()


class Around(nn.Module):
    """conv -> (3, 4, 4, 4) -> the function -> linear."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.first, self.function = nn.Conv2d(1, 4, 3), function
        if isinstance(function, nn.Module):
            function.double()
        with torch.no_grad():
            self.last = nn.Linear(self.apply_to(self.first(X.float()).double()).shape[1], 3)

    def apply_to(self, h: Tensor) -> Tensor:
        found = self.function(h)
        parts = found if isinstance(found, (tuple, list)) else (found,)
        parts = [part for part in parts if part.is_floating_point()]
        return torch.cat([part.reshape(len(h), -1) for part in parts], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.apply_to(self.first(x)))


def find(name: str) -> Callable[..., Tensor]:
    """Return a function of torch by its name."""
    for home in (torch, F, torch.special, Tensor, torch.linalg):
        found = getattr(home, name.removeprefix("special_"), None)
        if found is not None:
            return found
    raise AssertionError(name)


def written(x: Tensor, function: Callable[[Tensor], object]) -> Tensor:
    x = x * 1.0
    function(x)
    return x


ARGUMENTS = {
    "threshold": (0.3, 0.1), "clamp": (-0.5, 0.5), "clamp_min": (-0.2,), "clamp_max": (0.4,),
    "floor_divide": (0.3,), "fmod": (0.3,), "remainder": (0.3,),
}  # fmt: skip
BOUNDED = {"asin", "arcsin", "acos", "arccos", "atanh", "arctanh", "erfinv", "special_erfinv"}
POSITIVE = {"sqrt", "log1p", "special_log1p"}
OPERATORS = {"floordiv", "mod"}


def elementwise(name: str) -> Callable[[Tensor], Tensor]:
    inner: Callable[[Tensor], Tensor] = torch.relu if name in POSITIVE else lambda x: x
    inner = torch.tanh if name in BOUNDED else inner
    return lambda x: find(name)(inner(x), *ARGUMENTS.get(name, ()))


ELEMENTWISE = {name: elementwise(name) for name in sorted(names.ELEMENTWISE - OPERATORS)}
ELEMENTWISE |= {
    "floordiv": lambda x: x // 0.3, "mod": lambda x: x % 0.3, "pow": lambda x: x**3,
    "pow of a tensor": lambda x: x ** torch.tensor(2.0), "power of a number": lambda x: 2.0**x,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
}  # fmt: skip

NORMS = {
    "batch_norm": lambda x: F.batch_norm(x, CHANNELS, CHANNELS, CHANNELS, CHANNELS),
    "batch_norm, own statistics": lambda x: F.batch_norm(x, None, None, CHANNELS, None, True),
    "layer_norm": lambda x: F.layer_norm(x, (4,), CHANNELS, CHANNELS),
    "layer_norm, no weights": lambda x: torch.layer_norm(x, SHAPE),
    "layer_norm, two axes": lambda x: F.layer_norm(x, (4, 4), W, W, eps=0.1),
    "native_layer_norm": lambda x: torch.native_layer_norm(x, (4,), CHANNELS, CHANNELS, 1e-5)[0],
    "group_norm": lambda x: F.group_norm(x, 2, CHANNELS, CHANNELS),
    "group_norm, no weights": lambda x: torch.group_norm(x, 4),
    "instance_norm": lambda x: F.instance_norm(x, weight=CHANNELS, bias=CHANNELS),
    "instance_norm, given statistics": lambda x: F.instance_norm(
        x, CHANNELS, CHANNELS, use_input_stats=False
    ),
    "rms_norm": lambda x: F.rms_norm(x, (4,), CHANNELS, 1e-6),
    "rms_norm, no epsilon": lambda x: F.rms_norm(x, (4, 4)),
    "local_response_norm": lambda x: F.local_response_norm(x, 3, alpha=0.3, k=2.0),
    "local_response_norm, even": nn.LocalResponseNorm(2, alpha=0.5),
    "normalize": lambda x: F.normalize(x, dim=1),
    "normalize by the sum": lambda x: F.normalize(x, p=1.0, dim=(2, 3)),
    "by hand": lambda x: (x - x.mean(1, True)) / torch.sqrt(x.var(1, keepdim=True) + 1e-5),
    "by hand, standard deviation": lambda x: (
        (x - x.mean(-1, True)) / (x.std(-1, keepdim=True) + 0.1)
    ),
    "by hand, rsqrt": lambda x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-5),
    "by hand, var_mean": lambda x: (
        (x - torch.var_mean(x, 1, keepdim=True)[1]) / torch.var_mean(x, 1, keepdim=True)[0].sqrt()
    ),
    "global response": lambda x: (
        x + CHANNELS[:, None, None] * (x * (x.norm(dim=(2, 3), keepdim=True) / 3.0))
    ),
}
STATISTICS = {
    "norm": lambda x: x.norm(dim=1), "std": lambda x: x.std(1), "var": lambda x: x.var(1),
    "std_mean": lambda x: torch.std_mean(x, 1), "var_mean": lambda x: torch.var_mean(x, 1),
    "linalg_vector_norm": lambda x: torch.linalg.vector_norm(x, 3, 1),
    "linalg_matrix_norm": torch.linalg.matrix_norm, "dist": lambda x: torch.stack(
        [torch.dist(row, row * 0.5 + 1) for row in x]),
    "linalg_norm": lambda x: torch.linalg.norm(x, dim=1), "frobenius_norm": lambda x: x.norm("fro", (2, 3)),
    "nuclear_norm": lambda x: x.norm("nuc", (2, 3)), "cdist": lambda x: torch.cdist(x, x.roll(1, 1)),
    "hypot": lambda x: torch.hypot(x, x.roll(1, 1)),
    "pairwise_distance": lambda x: F.pairwise_distance(x, x.roll(1, 1) * 2.0),
    "prod": lambda x: x.prod(1), "cumprod": lambda x: x.cumprod(1),
    "pdist": lambda x: torch.stack([F.pdist(row.flatten(1)) for row in x]),
}  # fmt: skip
PRODUCTS = {
    "glu": lambda x: F.glu(x, 1), "swiglu": lambda x: F.silu(x[:, :2]) * x[:, 2:],
    "module glu": nn.GLU(1), "squeeze-excite": lambda x: x * F.hardsigmoid(x.mean((2, 3), True)),
    "highway": lambda x: x * (1 - torch.sigmoid(x.roll(1, 1))) + x.roll(1, 1) * x.sigmoid(),
    "gate shaped alike": lambda x: (1.0 - x.sigmoid()).mul_(x.roll(1, 1)),
    "two gates": lambda x: x.sigmoid() * x.roll(1, 1).sigmoid(),
    "lerp": lambda x: torch.lerp(x, x.roll(1, 1), 0.3),
    "lerp by a gate": lambda x: x.lerp(x.roll(1, 1), torch.sigmoid(x)),
    "addcmul": lambda x: torch.addcmul(x, x, x.roll(1, 1), value=0.5),
    "addcmul_": lambda x: written(x, lambda y: y.addcmul_(x, x.roll(1, 1), value=0.5)),
    "addcdiv": lambda x: x.addcdiv(x, x.abs() + 1, value=0.5),
    "ldexp": lambda x: torch.ldexp(x, torch.tensor(2)),
    "addmm": lambda x: torch.addmm(x.flatten(1)[:, :4], x.flatten(1)[:, :4], W, beta=0.5, alpha=2),
    "addmm of signals": lambda x: torch.stack([torch.addmm(W, row[0], row[1]) for row in x]),
    "addbmm": lambda x: torch.stack([torch.addbmm(W, row, row.roll(1, 1)) for row in x]),
    "baddbmm": lambda x: torch.stack([torch.baddbmm(row, row, row.mT) for row in x]),
    "addr": lambda x: torch.stack([torch.addr(W, row[0, 0], row[1, 1]) for row in x]),
    "outer": lambda x: torch.stack([torch.outer(row[0, 0], CHANNELS) for row in x]),
    "kron": lambda x: torch.stack([torch.kron(row[0], row[1]) for row in x]),
    "cross": lambda x: torch.cross(x[:, :3], x[:, 1:], 1),
    "vecdot": lambda x: torch.linalg.vecdot(x, x.roll(1, 1)),
    "bilinear": lambda x: F.bilinear(x, x.roll(1, 1), noise(2, 4, 4), noise(2)),
    "bilinear of one": lambda x: F.bilinear(x, torch.ones_like(x), noise(2, 4, 4)),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x.roll(1, 1) * 2.0),
    "cosine to a constant": lambda x: F.cosine_similarity(x, CHANNELS[:, None, None]),
    "module cosine": lambda x: nn.CosineSimilarity(1)(x, x.roll(1, 2)),
    "matmul": lambda x: x @ x.mT, "einsum": lambda x: torch.einsum("nchw,ncwk->nchk", x, x),
    "linear": lambda x: F.linear(x, W, CHANNELS), "tensordot": lambda x: torch.tensordot(x, W, 1),
    "grid_sample": lambda x: F.grid_sample(x, GRID, align_corners=False),
    "grid_sample where a signal says": lambda x: F.grid_sample(
        x, x[:, :2].permute(0, 2, 3, 1).tanh(), align_corners=False),
}  # fmt: skip
POOLS = {
    "lp_pool1d": lambda x: F.lp_pool1d(x.flatten(2), 2.0, 3), "lp_pool2d": nn.LPPool2d(2, 2),
    "lp_pool2d, stride": lambda x: F.lp_pool2d(x, 4.0, (2, 2), stride=1),
    "max_pool2d": nn.MaxPool2d(2), "with indices": lambda x: F.max_pool2d(x, 2, return_indices=True),
    "unpool": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "adaptive_max_pool2d": nn.AdaptiveMaxPool2d(3), "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d(3),
    "fractional": lambda x: F.fractional_max_pool2d(x, 2, output_size=2, _random_samples=torch.full((3, 4, 2), 0.3, dtype=torch.float64)),
    "avg_pool2d": nn.AvgPool2d(3, 1, 1), "bicubic": lambda x: F.interpolate(x, size=7, mode="bicubic"),
    "bilinear": nn.UpsamplingBilinear2d(scale_factor=2), "quantile": lambda x: x.quantile(0.3, 1),
    "median": lambda x: x.median(1), "kthvalue": lambda x: x.kthvalue(2, 1), "amax": lambda x: x.amax((2, 3)),
    "aminmax": lambda x: torch.aminmax(x, dim=1), "topk": lambda x: x.topk(2, 1), "sort": lambda x: x.sort(1),
    "cummax": lambda x: torch.cummax(x, 1), "maximum": lambda x: torch.maximum(x, x.roll(1, 1)),
    "msort": lambda x: torch.stack([row.msort() for row in x]), "mode": lambda x: torch.mode(x, 1),
}  # fmt: skip
ARRANGED = {
    "channel shuffle": nn.ChannelShuffle(2), "by hand": lambda x: x.view(3, 2, 2, 4, 4).transpose(1, 2).flatten(1, 2),
    "pixel_shuffle": nn.PixelShuffle(2), "pixel_unshuffle": nn.PixelUnshuffle(2), "unfold": nn.Unfold(2),
    "fold": lambda x: F.fold(F.unfold(x, 2), 4, 2), "roll": lambda x: x.roll((1, 2), (2, 3)),
    "gather": lambda x: x.gather(1, torch.zeros_like(x, dtype=torch.long)), "take": lambda x: torch.stack([row.take(PLACE) for row in x]),
    "index": lambda x: x[:, PLACE], "repeat": lambda x: x.repeat(1, 2, 1, 1), "tile": lambda x: x.tile((1, 2, 1, 1)),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1), "diagonal": lambda x: x.diagonal(dim1=2, dim2=3),
    "tril": torch.tril, "rot90": lambda x: x.rot90(1, (2, 3)), "as_strided": lambda x: x.as_strided((3, 4), (64, 3)),
    "meshgrid": lambda x: torch.stack([torch.stack(torch.meshgrid(row[0, 0], row[1, 1], indexing="ij")) for row in x]),
    "fourier": lambda x: torch.fft.fft2(x).real, "there and back": lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 2),
    "modulus": lambda x: torch.view_as_complex(x.unflatten(-1, (-1, 2))).abs(), "trapezoid": torch.trapezoid,
    "cumsum": lambda x: x.cumsum(1), "diff": lambda x: x.diff(dim=1), "deg2rad": torch.deg2rad,
    "neg": torch.neg, "nansum": lambda x: x.nansum(1), "broadcast": lambda x: torch.broadcast_tensors(x, x[:, :1]),
    "view_copy": lambda x: torch.view_copy(x, (3, -1)), "block_diag": lambda x: torch.stack([torch.block_diag(*row) for row in x]),
}  # fmt: skip
WRITTEN = {
    "setitem": lambda x: written(x, lambda y: y.__setitem__((slice(None), 0), 0.7)),
    "setitem of a tensor": lambda x: written(x, lambda y: y.__setitem__((slice(None), 0), W)),
    "into a buffer": lambda x: written(torch.ones_like(x), lambda y: y.__setitem__((slice(None), PLACE), x[:, :2])),
    "copy_": lambda x: written(torch.ones_like(x), lambda y: y.copy_(x)), "fill_": lambda x: x + written(x, lambda y: y.fill_(0.7)),
    "index_fill": lambda x: x.index_fill(1, PLACE, 0.7), "index_fill_": lambda x: written(x, lambda y: y.index_fill_(1, PLACE, 0.7)),
    "index_copy": lambda x: x.index_copy(1, PLACE, torch.ones_like(x[:, :2])), "index_add": lambda x: x.index_add(1, PLACE, x[:, :2]),
    "scatter": lambda x: x.scatter(1, torch.zeros(3, 1, 4, 4, dtype=torch.long), 0.7),
    "scatter_add": lambda x: torch.ones_like(x).scatter_add(1, torch.zeros_like(x, dtype=torch.long), x),
    "masked_scatter": lambda x: x.masked_scatter(x > 0, torch.ones_like(x)), "fill_diagonal_": lambda x: torch.stack(
        [written(row[0], lambda y: y.fill_diagonal_(0.7)) for row in x]),
    "select_scatter": lambda x: x.select_scatter(torch.ones_like(x[:, 0]), 1, 2), "zero_": lambda x: x + written(x, lambda y: y.zero_()),
    "slice_scatter": lambda x: x.slice_scatter(torch.ones_like(x[:, :2]), 1, 0, 2), "put_": lambda x: written(x, lambda y: y.put_(torch.arange(5), torch.ones(5, dtype=x.dtype))),
    "diagonal_scatter": lambda x: x.diagonal_scatter(torch.ones_like(x.diagonal(dim1=2, dim2=3)), dim1=2, dim2=3),
    "index_put_": lambda x: written(x, lambda y: y.index_put_((PLACE,), torch.tensor(0.7, dtype=x.dtype))),
    "scatter_reduce": lambda x: x.scatter_reduce(1, torch.zeros_like(x, dtype=torch.long), x * 2, "amax"),
    "out": lambda x: torch.tanh(x, out=torch.empty_like(x)), "out of a norm": lambda x: F.normalize(x, out=torch.empty_like(x)),
    "where": lambda x: torch.where(x > 0, x, 0.7), "masked_fill": lambda x: x.masked_fill(x > 0.2, 0.7),
    "slice, in place": lambda x: written(x, lambda y: y[:, 1:].mul_(2.0)), "slice, added": lambda x: written(x, lambda y: y[:, 1:].add_(x[:, :3])),
    "slice, activated": lambda x: written(x, lambda y: F.silu(y[:, 1:], inplace=True)),
}  # fmt: skip

GROUPS = {
    "elementwise": ELEMENTWISE, "norms": NORMS, "statistics": STATISTICS, "products": PRODUCTS,
    "pools": POOLS, "arranged": ARRANGED, "written": WRITTEN,
}  # fmt: skip


@pytest.mark.parametrize(("group", "name"), [(g, n) for g, cases in GROUPS.items() for n in cases])
def test_relevance_is_conserved(group: str, name: str) -> None:
    net = realistic(Around(GROUPS[group][name]))
    engine = lrp(net, X)
    batch = engine.attribute(as_call(X))
    assert engine.notes == ()
    assert batch.conservation.balance < 1e-6
    with torch.no_grad():
        assert batch.conservation.target == pytest.approx(float(net(X).amax(1).sum()))


ACTIVATIONS = [
    module for name, module in vars(nn.modules.activation).items()
    if isinstance(module, type) and issubclass(module, nn.Module) and module.__module__ == nn.modules.activation.__name__
    and name not in ("MultiheadAttention", "Threshold", "GLU", "Softmax", "Softmax2d", "LogSoftmax", "Softmin")
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("inplace", [False, True])
def test_every_activation_of_torch_nn(activation: type[nn.Module], inplace: bool) -> None:
    try:
        module = activation(inplace=True) if inplace else activation()
    except TypeError:
        assert inplace, "only flags may be unknown"
        module = activation()
    engine = lrp(realistic(Around(module)), X)
    assert engine.attribute(as_call(X)).conservation.balance < 1e-6
    assert engine.notes == ()
