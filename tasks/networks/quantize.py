"""Makes a model.onnx of integers of eight bits of one of floats: most of its time goes into products."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from tasks import storage

BATCH = 8  # images looked at together while their values are measured
OPERATIONS = ("Conv", "Clip", "Add", "MatMul", "Gemm")
PRODUCTS = ("MatMul", "Gemm")
ACTIVATIONS = ("Clip", "Relu")


def quantize(model: bytes, images: np.ndarray, sparing: bool = False) -> bytes:
    """The same network, its convolutions, sums and inner products in integers.

    images: uint8 [n, size_px, size_px, 3], such as it was trained on: the smallest and the largest value of
    each tensor, averaged over batches of them, become 0 and 255. Weights are int8, each channel on a scale of
    its own. What lies before the first convolution stays as it is, and so does the last product, which gives
    the logits. sparing: so do the last linear convolutions (see `linear_convolutions`).

    Sources: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference"; per channel: Krishnamoorthi 2018, "Quantizing deep convolutional
    networks for efficient inference". Ranges by percentiles or entropy changed as many labels of
    real images, for thrice the time.
    """
    with storage.temporary_folder() as folder:
        whole, prepared, quantized = (folder / name for name in ("whole", "prepared", "quantized"))
        whole.write_bytes(model)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared)
        quantize_static(
            prepared,
            quantized,
            Pictures(graph.graph.input[0].name, images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATIONS),
            nodes_to_exclude=left_in_float(graph) + (linear_convolutions(graph) if sparing else []),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"CalibMovingAverage": True},
        )
        return quantized.read_bytes()


class Pictures(CalibrationDataReader):
    """Images as ONNX Runtime asks for them: BATCH at a time, None after the last."""

    def __init__(self, name: str, images: np.ndarray):
        self._batches = iter(
            [{name: images[start : start + BATCH]} for start in range(0, len(images), BATCH)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def left_in_float(model: ModelProto) -> list[str]:
    """The names of what comes before the first convolution, and of the last inner product."""
    nodes: Sequence[NodeProto] = model.graph.node
    first = next(number for number, node in enumerate(nodes) if node.op_type == "Conv")
    products = [node.name for node in nodes if node.op_type in PRODUCTS]
    return [*(node.name for node in nodes[:first]), *products[-1:]]


def linear_convolutions(model: ModelProto) -> list[str]:
    """The names of those among the last two fifths of the convolutions that no activation follows.

    Nothing bounds what they give, and one large value makes the steps of all others coarse. Of MobileNetV2
    they are the bottlenecks of blocks 10 to 16, which fine-tuning changes.
    """
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    bounded = {node.input[0] for node in model.graph.node if node.op_type in ACTIVATIONS}
    later = convolutions[3 * len(convolutions) // 5 :]
    return [node.name for node in later if node.output[0] not in bounded]
