"""Files for programs that serve models: a rank profile of Vespa, and a configuration of Triton."""

from __future__ import annotations

import json

from moft_ltr.export.exported import Exported
from moft_ltr.export.lightgbm_files import BASE, MODEL, sum_names

_VESPA_TREES = """\
# For schemas/SCHEMA.sd of an application package, with the .json files of this export in its folder models/.
# Each attribute below has to hold the feature of its name; a float attribute without a value is NaN, as missing values must be.
rank-profile {name} {{
{inputs}{functions}
    second-phase {{
        expression: {expression}
    }}
}}
"""
_VESPA_ONNX = """\
# For schemas/SCHEMA.sd of an application package, with model.onnx in its folder models/. The attribute `features` has the
# features of a document in the order of features.json; NaN where one is missing.
field features type tensor<float>(d0[1],d1[1],d2[{columns}]) {{
    indexing: attribute
}}
onnx-model ranker {{
    file: models/model.onnx
    input features: attribute(features)
    input mask: mask
{given}    output scores: scores
}}
rank-profile {name} {{
{inputs}    function mask() {{
        expression: tensor<float>(d0[1],d1[1]):[[1]]
    }}
    second-phase {{
        expression: sum(onnx(ranker).scores)
    }}
}}
"""
_TRITON_ONNX = """\
# As MODEL/config.pbtxt of a model repository, beside MODEL/1/model.onnx. The first axis is the batch, of any size.
backend: "onnxruntime"
max_batch_size: 0
input [
{inputs}
]
output [
  {{ name: "scores" data_type: TYPE_FP32 dims: [ -1, -1 ] }}
]
"""
_TRITON_TREES = """\
# As MODEL/config.pbtxt of a model repository, beside MODEL/1/model.txt. A row is a document{weights}.
backend: "fil"
max_batch_size: 32768
input [
  {{ name: "input__0" data_type: TYPE_FP32 dims: [ {columns} ] }}
]
output [
  {{ name: "output__0" data_type: TYPE_FP32 dims: [ 1 ] }}
]
instance_group [ {{ kind: KIND_AUTO }} ]
parameters [
  {{ key: "model_type" value: {{ string_value: "lightgbm" }} }},
  {{ key: "is_classifier" value: {{ string_value: "false" }} }},
  {{ key: "output_class" value: {{ string_value: "false" }} }}
]
dynamic_batching {{ }}
"""


def vespa_profile(export: Exported) -> str | None:
    """The rank profile; None where a score depends on other documents, since Vespa ranks them one by one."""
    if export.reads_lists:
        return None
    name = "ranker"
    if export.form == "onnx":
        shapes = {"weights": f"d0[1],d1[{len(export.run.names)}]", "dial": "d0[1]"} if export.is_steered else {}
        inputs = "".join(f"        query({one}) tensor<float>({shape})\n" for one, shape in shapes.items())
        given = "".join(f"    input {one}: query({one})\n" for one in shapes)
        if export.examples()["base_scores"] is not None:
            given += "    input base_scores: attribute(base_scores)\n"
        block = f"    inputs {{\n{inputs}    }}\n" if inputs else ""
        return _VESPA_ONNX.format(name=name, columns=len(export.columns), given=given, inputs=block)
    count = len(export.columns)
    weights = export.in_model[count:] if export.is_steered else []
    inputs = "".join(f"        query({weight}) double\n" for weight in weights)
    functions = "".join(_function(one, f"attribute({one})") for one in export.in_model[:count])
    if export.is_sum:
        terms = zip(weights, sum_names(export.run.names), strict=True)
        parts = [f'lightgbm("{BASE}.json")', *(f'query({weight}) * lightgbm("{term}.json")' for weight, term in terms)]
        expression = " + ".join(parts)
    else:
        functions += "".join(_function(one, f"query({one})") for one in weights)
        expression = f'lightgbm("{MODEL}.json")'
    block = f"    inputs {{\n{inputs}    }}\n" if inputs else ""
    return _VESPA_TREES.format(name=name, inputs=block, functions=functions.rstrip("\n"), expression=expression)


def triton_config(export: Exported) -> str | None:
    """The configuration; None for the terms of a sum, which are several models."""
    if export.is_sum:
        return None
    if export.form == "lightgbm":
        weights = ", and then the weights" if export.is_steered else ""
        columns = len(export.columns) + (len(export.run.names) if export.is_steered else 0)
        return _TRITON_TREES.format(columns=columns, weights=weights)
    dims = {"features": [-1, -1, len(export.columns)], "mask": [-1, -1]}
    if export.is_steered:
        dims |= {"weights": [-1, len(export.run.names)], "dial": [-1]}
    if export.examples()["base_scores"] is not None:
        dims["base_scores"] = [-1, -1]
    lines = [f'  {{ name: "{name}" data_type: TYPE_FP32 dims: {json.dumps(shape)} }}' for name, shape in dims.items()]
    return _TRITON_ONNX.format(inputs=",\n".join(lines))


def _function(name: str, expression: str) -> str:
    return f"    function {name}() {{\n        expression: {expression}\n    }}\n"
