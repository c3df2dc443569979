"""Parameters to ONNX: the embedding as 8-bit integers, the rest as it is."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import model

OPSET = 17


def quantised(table):
    """Symmetric, one scale for each token: (int8 table, scales)."""
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-8) / 127.0
    return np.clip(np.round(table / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def graph(params, labels):
    table, scale = quantised(params["embed"])
    nodes, initial = [], []

    def constant(name, value):
        initial.append(numpy_helper.from_array(value, name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    width = model.WIDTH
    node("Equal", ["input_ids", constant("pad", np.array(0, np.int64))], "is_pad")
    node("Not", ["is_pad"], "is_token")
    node("Cast", ["is_token"], "mask_nl", to=TensorProto.FLOAT)
    node("Unsqueeze", ["mask_nl", constant("axis1", np.array([1], np.int64))], "mask")  # N,1,L
    node("Gather", [constant("embed", table), "input_ids"], "looked_up", axis=0)
    node("Cast", ["looked_up"], "as_float", to=TensorProto.FLOAT)
    node("Gather", [constant("embed_scale", scale), "input_ids"], "scales", axis=0)
    node("Mul", ["as_float", "scales"], "embedded")
    node("Transpose", ["embedded"], "channels", perm=[0, 2, 1])  # N,C,L
    x = node("Mul", ["channels", "mask"], "x")
    for layer, dilation in enumerate(model.DILATIONS):
        weight = params[f"conv{layer}_w"].reshape(3, width, width).transpose(2, 1, 0)  # out, in, tap
        y = node("Conv", [x, constant(f"w{layer}", np.ascontiguousarray(weight)), constant(f"b{layer}", params[f"conv{layer}_b"])], f"conv{layer}",
                 dilations=[dilation], pads=[dilation, dilation], kernel_shape=[3])
        y = node("Relu", [y], f"relu{layer}")
        y = node("Mul", [y, "mask"], f"masked{layer}")
        x = y if layer == 0 else node("Add", [x, y], f"sum{layer}")
    node("ReduceMax", [x], "highest", axes=[2], keepdims=0)
    node("ReduceSum", [x, constant("axis2", np.array([2], np.int64))], "total", keepdims=0)
    node("ReduceSum", ["mask", "axis2"], "count", keepdims=0)
    node("Max", ["count", constant("one", np.array(1, np.float32))], "at_least_one")
    node("Div", ["total", "at_least_one"], "mean")
    node("Concat", ["highest", "mean"], "pooled", axis=1)
    node("Gemm", ["pooled", constant("hidden_w", params["hidden_w"]), constant("hidden_b", params["hidden_b"])], "hidden_in")
    node("Relu", ["hidden_in"], "hidden")
    node("Gemm", ["hidden", constant("out_w", params["out_w"]), constant("out_b", params["out_b"])], "global")
    place = np.ascontiguousarray(params["place_w"].T[:, :, None])
    node("Conv", [x, constant("place_w", place), constant("place_b", params["place_b"])], "place", kernel_shape=[1])
    node("Relu", ["place"], "place_relu")
    node("Conv", ["place_relu", constant("local_w", np.ascontiguousarray(params["local_w"].T[:, :, None]))], "each_place", kernel_shape=[1])
    node("Sub", ["mask", "one"], "minus_pad")
    node("Mul", ["minus_pad", constant("far", np.array(30, np.float32))], "far_below")
    node("Add", ["each_place", "far_below"], "each_token")
    node("ReduceMax", ["each_token"], "local", axes=[2], keepdims=0)
    node("Add", ["local", "global"], "logits")
    node("Sigmoid", ["logits"], "scores")
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(labels)])
    whole = helper.make_model(helper.make_graph(nodes, "sentinel", [ids], [scores], initial), producer_name="troth",
                              opset_imports=[helper.make_opsetid("", OPSET)])
    whole.ir_version = 8
    onnx.checker.check_model(whole)
    return whole.SerializeToString()
