"""Makes the models of the tests: a few hundred bytes each, every one wrong in one way.

Token 241 of the built-in tokenizer is the byte F0, which a character that its alphabet
lacks begins with: the tests use such a character as a marker.
"""

import pathlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
MARKER = 241


def save(name, nodes, constants, width=1, opset=17, input_name="input_ids"):
    initial = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    ids = helper.make_tensor_value_info(input_name, TensorProto.INT64, ["batch", "tokens"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", width])
    graph = helper.make_graph(nodes, name, [ids], [scores], initial)
    model = helper.make_model(graph, producer_name="troth", opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def seen(output, input_name="input_ids"):
    return [
        helper.make_node("Equal", [input_name, "marker"], ["same"]),
        helper.make_node("Cast", ["same"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["ones"], [output], axes=[1], keepdims=1),
    ]


marker = {"marker": np.array(MARKER, np.int64)}
zero = {"zero": np.array(0, np.float32)}
save("marker", seen("scores"), marker)
save("otherinput", seen("scores", "tokens"), marker, input_name="tokens")
save("opset", seen("scores"), marker, opset=99)
# 0/0 where the marker is, 0 elsewhere.
save("nan", seen("found") + [
    helper.make_node("Sub", ["one", "found"], ["absent"]),
    helper.make_node("Div", ["zero", "absent"], ["scores"]),
], marker | zero | {"one": np.array(1, np.float32)})
save("nanalways", [
    helper.make_node("Cast", ["input_ids"], ["f"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMin", ["f"], ["least"], axes=[1], keepdims=1),
    helper.make_node("Mul", ["least", "zero"], ["zeroed"]),
    helper.make_node("Div", ["zeroed", "zero"], ["scores"]),
], zero)
save("toolarge", seen("found") + [helper.make_node("Mul", ["found", "two"], ["scores"])],
     marker | {"two": np.array(2, np.float32)})
save("twolabels", seen("found") + [helper.make_node("Concat", ["found", "found"], ["scores"], axis=1)], marker, width=2)
# One score for each token, which the declared shape hides.
save("pertoken", [helper.make_node("Equal", ["input_ids", "marker"], ["same"]),
                  helper.make_node("Cast", ["same"], ["scores"], to=TensorProto.FLOAT)], marker, width="any")
# Looks tokens up in a table of 200: refuses any later one while it runs.
save("throws", [helper.make_node("Gather", ["table", "input_ids"], ["each"]),
                helper.make_node("ReduceMax", ["each"], ["scores"], axes=[1], keepdims=1)],
     {"table": np.zeros(200, np.float32)})
