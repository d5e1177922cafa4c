"""Fails over every picture, as a model does that a picture makes divide by zero."""


class TritonPythonModel:
    def execute(self, requests):
        raise ValueError("this model cannot divide by zero")
