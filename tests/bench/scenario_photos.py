"""scenario_photos.py - photographs through the fleet beside a plain loop of libvips, turn by turn on the same files."""
import io

import numpy
from PIL import Image

import settings
from fixtures import ordinary, twelve_megapixels
from harness import compare
from ours import step
from photos import Gated, Photographs, PlainLoop
from settings import scaled



def photo_steps(fast):
    """As many outputs as a person would ask for in separate steps. `fast`: from a decode at 1/4 instead of 1/2."""
    return [
        step("src", tool="fetch"),
        step("large", "src", tool="resize", params={"width": 640, "height": 640, "format": "jpeg", "fast_shrink": fast}),
        step("small", "src", tool="thumbnail", params={"width": 250, "format": "webp"}),
        step("stats", "src", tool="stats", params={"size": 32}),
    ]


# tool: (its parameters, pictures a turn). plain_loop.c has the same parameters. A turn takes two seconds or more, for its beginning
# and end not to be a percent of it; of metadata half a second, as it takes gigabytes of files.
TOOLS = {
    "resize": ({"width": 640, "height": 640}, 240),
    "thumbnail": ({"width": 250}, 360),
    "crop": ({"left": 100, "top": 100, "width": 800, "height": 600}, 432),
    "smartcrop": ({"width": 320, "height": 320}, 192),
    "rotate": ({"angle": 90}, 120),
    "convert": ({"format": "webp"}, 24),
    "enhance": ({"effect": "sharpen", "sigma": 1.5}, 32),
    "draw": ({"boxes": [{"box": [200, 200, 400, 300], "label": "cat", "score": 0.9}]}, 120),
    "stats": ({}, 288),
    "phash": ({}, 480),
    "metadata": ({}, 2880),
}


def difference(ours, theirs):
    """The mean difference of two pictures in 255ths; they have to have the same size."""
    a, b = (numpy.asarray(Image.open(io.BytesIO(raw)).convert("RGB"), numpy.float32) for raw in (ours, theirs))
    assert a.shape == b.shape, f"the fleet's result has another size than the plain loop's: {a.shape}, {b.shape}"
    return float(numpy.abs(a - b).mean())


def differences(fleet, plain, step_name, artifact, file, items):
    ours, theirs = fleet.outputs(step_name, artifact, items), plain.outputs(file, items)
    assert len(ours) == len(theirs) == items, f"{len(ours)} and {len(theirs)} results of '{step_name}', not {items}"
    return max(difference(ours[item], theirs[item]) for item in ours)


class Checked(PlainLoop):
    """Looks after the last turn whether both have done the same work."""

    def __init__(self, photographs, work, pairs, **more):
        super().__init__(photographs, work, **more)
        self.pairs, self.found = pairs, {}

    def check(self):
        items = min(4, self.photographs.n)
        self.found = {step_name: differences(self.photographs, self, step_name, artifact, file, items)
                      for step_name, artifact, file in self.pairs}

    def extra(self):
        return {"differs_by": self.found}


def photos_beside(results, services, name, fast, work, scale):
    fleet = Photographs(services, name, photo_steps(fast), lambda _: twelve_megapixels(settings.SEED), scaled(144, 8), name="pixelfleet",
                        limits={})
    loop = Checked(fleet, work, [("large", "picture", "640.jpg"), ("small", "250x250", "250.webp")], name=f"plain loop, DCT {scale}")
    compare(results, name, "photos/s", [fleet, loop],
            f"12-megapixel JPEG → 640 JPEG + 250 WebP + stats of 32x32, separate steps, decoded at {scale}")
    results.want_ratio(name, {f"pixelfleet / {loop.name}": 0.98})
    results.note(name, f"pixels of the results differ from those of the {loop.name} on average by "
                 + ", ".join(f"{by:.2f}/255 ({step_name})" for step_name, by in loop.found.items()))


def photo(results, services):
    photos_beside(results, services, "photo", False, "photo2", "1/2")
    results.note("photo", "the photographs are those of mate-backgrounds, enlarged to 4000 x 3000 with noise, JPEG of quality 90 "
                 "(fixtures.py)")


def photo_fast(results, services):
    photos_beside(results, services, "photo-fast", True, "photo4", "1/4")
    results.note("photo-fast", "resize with fast_shrink")


def tool_pair(tool):
    """(step, artifact, the plain loop's file) of the picture that the tool gives; None where it gives data."""
    if tool in ("stats", "phash", "metadata"):
        return []
    return [("tool", {"thumbnail": "250x250"}.get(tool, "picture"), "webp" if tool == "convert" else "jpg")]


def tools(results, services):
    for tool, (params, n) in TOOLS.items():
        name = f"tool-{tool}"
        steps = [step("src", tool="fetch"), step("tool", "src", tool=tool, params=params)]
        whole = Photographs(services, name, steps, ordinary, scaled(n, 4), name="fetch and tool")
        alone = Gated(services, name, steps, ordinary, scaled(n, 4), name="tool", beside=whole)
        plain = Checked(alone, tool, tool_pair(tool))
        compare(results, name, "pictures/s", [whole, alone, plain], f"Tool {tool}", ours="tool")
        results.ratio(name, "fetch and tool", "plain loop")
        results.want_ratio(name, {"tool / plain loop": 0.97})
