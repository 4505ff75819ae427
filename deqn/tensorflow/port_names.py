"""Names of TensorFlow that have one form in PyTorch, and advice for others. Sources: TensorFlow 2 and PyTorch 2 API."""

from __future__ import annotations

ELEMENTWISE = {
    "abs": "torch.abs", "acos": "torch.acos", "asin": "torch.asin", "atan": "torch.atan", "ceil": "torch.ceil",
    "cos": "torch.cos", "cosh": "torch.cosh", "erf": "torch.erf", "erfc": "torch.erfc", "erfinv": "torch.erfinv",
    "exp": "torch.exp", "expm1": "torch.expm1", "exponential": "torch.exp", "floor": "torch.floor",
    "is_finite": "torch.isfinite", "is_inf": "torch.isinf", "is_nan": "torch.isnan", "lgamma": "torch.lgamma",
    "log": "torch.log", "log1p": "torch.log1p", "log_sigmoid": "torch.nn.functional.logsigmoid",
    "logical_not": "torch.logical_not", "ndtri": "torch.special.ndtri", "reciprocal": "torch.reciprocal",
    "rint": "torch.round", "round": "torch.round", "rsqrt": "torch.rsqrt", "sigmoid": "torch.sigmoid", "sign": "torch.sign",
    "sin": "torch.sin", "sinh": "torch.sinh", "softplus": "torch.nn.functional.softplus", "sqrt": "torch.sqrt",
    "square": "torch.square", "tan": "torch.tan", "tanh": "torch.tanh", "relu": "torch.relu",
    "relu6": "torch.nn.functional.relu6", "elu": "torch.nn.functional.elu", "selu": "torch.selu",
    "silu": "torch.nn.functional.silu", "swish": "torch.nn.functional.silu", "identity": "torch.clone",
    "stop_gradient": "torch.detach", "det": "torch.linalg.det", "inv": "torch.linalg.inv",
    "cholesky": "torch.linalg.cholesky",
}  # fmt: skip

# TensorFlow's parameters in their order: `*` a tensor, `a>b` is called b there, `-` has no meaning there
FORMS: dict[str, tuple[str, str]] = {name: (target, "x*>input name-") for name, target in ELEMENTWISE.items()} | {
    "reduce_sum": ("torch.sum", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_mean": ("torch.mean", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_max": ("torch.amax", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_min": ("torch.amin", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_prod": ("torch.prod", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_any": ("torch.any", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_all": ("torch.all", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_std": ("torch.std", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_variance": ("torch.var", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_logsumexp": ("torch.logsumexp", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "cumsum": ("torch.cumsum", "x*>input axis>dim name-"), "cumprod": ("torch.cumprod", "x*>input axis>dim name-"),
    "argmax": ("torch.argmax", "input*>input axis>dim name-"), "argmin": ("torch.argmin", "input*>input axis>dim name-"),
    "softmax": ("torch.softmax", "logits*>input axis>dim name-"),
    "zeros_like": ("torch.zeros_like", "input>input dtype name-"),
    "ones_like": ("torch.ones_like", "input>input dtype name-"),
    "zeros": ("torch.zeros", "shape>size dtype name-"), "ones": ("torch.ones", "shape>size dtype name-"),
    "eye": ("torch.eye", "num_rows>n num_columns>m"), "linspace": ("torch.linspace", "start stop>end num>steps name-"),
    "concat": ("torch.cat", "values>tensors axis>dim name-"), "stack": ("torch.stack", "values>tensors axis>dim name-"),
    "unstack": ("torch.unbind", "value*>input num- axis>dim name-"),
    "expand_dims": ("torch.unsqueeze", "input*>input axis>dim name-"),
    "squeeze": ("torch.squeeze", "input*>input axis>dim name-"), "tile": ("torch.tile", "input*>input multiples>dims name-"),
    "reshape": ("torch.reshape", "tensor*>input shape name-"), "reverse": ("torch.flip", "tensor*>input axis>dims name-"),
    "broadcast_to": ("torch.broadcast_to", "input*>input shape>size name-"),
    "roll": ("torch.roll", "input*>input shift>shifts axis>dims name-"), "atan2": ("torch.atan2", "y*>input x*>other name-"),
    "logical_and": ("torch.logical_and", "x*>input y*>other name-"),
    "logical_or": ("torch.logical_or", "x*>input y*>other name-"), "solve": ("torch.linalg.solve", "matrix*>A rhs*>B name-"),
    "norm": ("torch.linalg.vector_norm", "tensor*>x ord axis>dim keepdims>keepdim name-"),
    "is_tensor": ("torch.is_tensor", "x>obj"),
    "where": ("torch.where", "condition*>condition x>input y>other name-"),
}  # fmt: skip
NEEDS_DIM = {"cumsum": "0", "cumprod": "0", "argmax": "0", "argmin": "0", "softmax": "-1"}  # TensorFlow's default
CORRECTED = ("reduce_std", "reduce_variance")
SHAPES = {"reshape": "shape", "tile": "multiples", "broadcast_to": "shape"}  # where PyTorch takes no bare number

# names as they are, without a call
VALUES = {
    "float32": "Parameters.dtype", "float64": "torch.float64", "double": "torch.float64", "int32": "torch.int32",
    "int64": "torch.int64", "bool": "torch.bool", "newaxis": "None", "Tensor": "torch.Tensor",
} | ELEMENTWISE  # fmt: skip

ADVICE = {
    "tensor_scatter_nd_update": 'State.update(state, "K", value) changes one variable',
    "GradientTape": "torch.func.grad, or torch.autograd.grad", "gather_nd": "indices in brackets: x[i, j]",
    "slice": "a slice: x[a:b, c:d]", "function": "nothing; run.compile=true compiles the whole step",
    "Variable": "Parameters.starting_state for what a checkpoint shall hold, a tensor of PyTorch otherwise",
    "summary.create_file_writer": "Parameters.summary, the run's TensorBoard writer", "while_loop": "Python's while",
    "map_fn": "torch.stack([f(x) for x in xs])", "divide_no_nan": "torch.where(y == 0, 0, x / torch.where(y == 0, 1, y))",
    "one_hot": "torch.nn.functional.one_hot", "debugging.check_numerics": "enable_check_numerics=true",
    "gather": "indices in brackets: x[i], x[:, i]", "case": "Python's if",
}  # fmt: skip
