"""Gives back what it is given, whatever its type."""
import json

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.kind = json.loads(args["model_config"])["input"][0]["data_type"]

    def execute(self, requests):
        answers = []
        for request in requests:
            given = pb.get_input_tensor_by_name(request, "given")
            # BF16 is no type of NumPy's, and text is none of DLPack's.
            taken = pb.Tensor.from_dlpack("taken", given.to_dlpack()) if self.kind == "TYPE_BF16" else \
                pb.Tensor("taken", given.as_numpy())
            answers.append(pb.InferenceResponse([taken]))
        return answers
