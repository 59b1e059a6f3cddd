"""SpectralNormalization: a layer whose kernel training divides by its largest singular value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg, snake_case
from archonnx.compiler.layers.common import KerasLayer, require_floats
from archonnx.compiler.layers.domains import LayerDomain, Whole
from archonnx.compiler.layers.inner import declare_inner, infer_inner, lower_inner

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class SpectralNormalization(KerasLayer):
    """Applies a layer; training keeps the largest singular value of its kernel near 1.

    Each step of training divides the kernel and stores the quotient, so that at inference the kernel is taken as it is
    and the layer computes what the layer inside does. `vector_u` is where the next step of training would go on from.
    """

    inputs = ("inputs",)
    masking = "drop"
    layer = arg(LayerDomain(), doc="The layer whose kernel, or table of embeddings, is normalized.")
    power_iterations = arg(Whole(minimum=1), default=1, doc="Used in training only.")
    keras = "SpectralNormalization"
    onnx = ("Gemm", "MatMul", "Add", "Conv", "ConvTranspose", "Gather")
    formula = "y = layer(inputs)"
    example = "input x: float32[N, 16]\nSpectralNormalization(Dense(10))"

    @property
    def pointwise(self) -> bool:  # type: ignore[override]
        return bool(self.layer.pointwise)

    def validate(self) -> None:
        required = [name for name in self.layer.inputs if not name.endswith("?")]
        if self.layer.runs_cell or self.layer.runs_layer or len(required) != 1 or required[0].startswith("*"):
            raise self._no_kernel()
        if self.layer.masking == "pass":  # the layer inside sets the mask of its result, which Keras hands on
            self.masking = "pass"  # type: ignore[assignment, misc]

    def _no_kernel(self) -> LayerError:
        return LayerError(
            "E0331",
            f"SpectralNormalization needs a layer with a kernel or embeddings, got {self.layer.type_name}",
            argument="layer",
            help="wrap a Dense, a convolution or an Embedding",
        )

    @property
    def _inner_name(self) -> str:
        return self.layer.given_name or snake_case(self.layer.type_name)

    def declare(self, c: Context, inputs: TensorType) -> None:
        from archonnx.compiler.weights.kinds import TruncatedNormal

        # Keras casts the result to the input's type, which would cut it to whole numbers.
        require_floats(self, inputs)
        declare_inner(c, self, self.layer, self._inner_name, self.floating(inputs))
        kernel = kernel_of(self.layer)
        if kernel is None:
            raise self._no_kernel()
        start = TruncatedNormal(stddev=0.02)
        c.weight("vector_u", (1, kernel.shape[-1]), start, trainable=False, dtype=kernel.dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        found = infer_inner(c, self, self.layer, self._inner_name, self.floating(inputs))
        first = found[0] if isinstance(found, tuple) else found
        return TensorType(self.compute_dtype, first.shape)

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return self.layer.macs((self.floating(inputs[0]),), outputs)  # type: ignore[no-any-return]

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        found = lower_inner(b, self.layer, self.cast_floating(b, inputs))
        return b.cast(found[0] if isinstance(found, tuple) else found, self.compute_dtype)


def kernel_of(layer: Layer) -> Weight | None:
    """The weight that Keras knows as the layer's `kernel` or `embeddings`; a recurrent layer has it in its cell."""
    if isinstance(layer, SpectralNormalization):
        return kernel_of(layer.layer)
    if "recurrent_kernel" in layer.weights:
        return None
    return layer.weights.get("kernel") or layer.weights.get("embeddings")
