"""export_vit.py DIR - a network of CLIP ViT-B/32's size with random weights, as the model directory DIR.

The image side of openai/clip-vit-base-patch32 as it was published: patches of 32 pixels, width 768, 12 blocks of
12 heads, a projection to 512. Needs python3-torch. The weights are those of a fixed seed.
"""
import json
import pathlib
import sys

import torch
from torch import nn

SIDE, PATCH, WIDTH, HEADS, BLOCKS, OUT = 224, 32, 768, 12, 12, 512


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def split(self, x):
        return x.reshape(x.shape[0], -1, HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        weights = torch.softmax(q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5, dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(x.shape[0], -1, WIDTH))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.after, self.attention = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), Attention()
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        x = x + self.attention(self.before(x))
        h = self.up(self.after(x))
        return x + self.down(h * torch.sigmoid(1.702 * h))


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH, bias=False)
        self.first = nn.Parameter(torch.randn(WIDTH) * 0.02)
        self.places = nn.Parameter(torch.randn((SIDE // PATCH) ** 2 + 1, WIDTH) * 0.02)
        self.begin, self.end = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.project = nn.Linear(WIDTH, OUT, bias=False)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], 1, WIDTH), x], dim=1) + self.places
        return self.project(self.end(self.blocks(self.begin(x))[:, 0]))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    model = Vision().eval()
    with torch.no_grad():
        torch.onnx.export(model, torch.randn(2, 3, SIDE, SIDE), str(folder / "vision_model.onnx"), opset_version=13,
                          input_names=["pixel_values"], output_names=["image_embeds"],
                          dynamic_axes={"pixel_values": {0: "N"}, "image_embeds": {0: "N"}})
    card = {"kind": "clip", "title": "ViT-B/32 with random weights, for tests", "dim": OUT,
            "parts": {"image": {"file": "vision_model.onnx"}}}
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
