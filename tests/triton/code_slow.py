"""Takes as long as the file "pause" beside the model says, in seconds."""
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.file = f"{args['model_repository']}/pause"

    def execute(self, requests):
        with open(self.file, encoding="ascii") as f:
            time.sleep(float(f.read()))
        return [pb.InferenceResponse([pb.Tensor("output0", np.zeros((1, 84, 8400), np.float32))]) for _ in requests]
