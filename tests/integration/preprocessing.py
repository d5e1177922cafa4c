"""How the model families want their pictures, written with NumPy and Pillow from their published descriptions: what the
fleet's own preprocessing is compared with. Nothing of the program's is used here."""
import io
import math

import numpy
from PIL import Image, ImageCms, ImageOps

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def upright(path):
    """sRGB as it is seen: EXIF's orientation, the file's colour profile, what is transparent over white."""
    image = ImageOps.exif_transpose(Image.open(path))
    profile = image.info.get("icc_profile")
    if profile and image.mode == "RGB":
        image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"),
                                          renderingIntent=1)    # relative colorimetric
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def planes(image, mean, std):
    """Bytes to floats: /255, minus mean, by std; channel by channel."""
    values = numpy.asarray(image, numpy.float32) / numpy.float32(255)
    values = (values - numpy.array(mean, numpy.float32)) / numpy.array(std, numpy.float32)
    return values.transpose(2, 0, 1)


def clip(image, side=224):
    """Hugging Face's CLIPImageProcessor: the shorter edge to `side`, the longer int(side * long / short), bicubic; the middle."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    longer = int(side * long / short)
    width, height = (side, longer) if width <= height else (longer, side)
    image = image.resize((width, height), Image.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    return planes(image.crop((left, top, left + side, top + side)), CLIP_MEAN, CLIP_STD)


def blip(image, side=384):
    """BlipImageProcessor: both edges to `side`, bicubic."""
    return planes(image.resize((side, side), Image.BICUBIC), CLIP_MEAN, CLIP_STD)


def yolo(image, side=640):
    """Ultralytics' LetterBox with auto=False, shrunk with Pillow's bilinear filter."""
    width, height = image.size
    scale = min(side / width, side / height)
    inner = round(width * scale), round(height * scale)
    left, top = (round((side - n) / 2 - 0.1) for n in inner)
    box = Image.new("RGB", (side, side), (114, 114, 114))
    box.paste(image.resize(inner, Image.BILINEAR), (left, top))
    return planes(box, (0, 0, 0), (1, 1, 1))


def scrfd(image, side=640):
    """insightface's detect(): the shape kept, rounded down, at the top left, zeros around; (x - 127.5) / 128."""
    width, height = image.size
    inner = (int(side / (height / width)), side) if height > width else (side, int(side * (height / width)))
    box = Image.new("RGB", (side, side), (0, 0, 0))
    box.paste(image.resize(inner, Image.BILINEAR), (0, 0))
    return (numpy.asarray(box, numpy.float32).transpose(2, 0, 1) - 127.5) / 128


def segment(image, side=256):
    """Both edges to `side`, bilinear, ImageNet's numbers."""
    return planes(image.resize((side, side), Image.BILINEAR), IMAGENET_MEAN, IMAGENET_STD)


def letterbox_sparse(image, side=640):
    """LetterBox as OpenCV's INTER_LINEAR shrinks: between the two nearest pixels each way, the others do not count."""
    width, height = image.size
    scale = min(side / width, side / height)
    inner = round(width * scale), round(height * scale)
    pixels = numpy.asarray(image)
    for axis, (before, after) in enumerate(((height, inner[1]), (width, inner[0]))):
        at = numpy.clip((numpy.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
        low = numpy.floor(at).astype(int)
        high = numpy.minimum(low + 1, before - 1)
        part = (at - low).astype(numpy.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        pixels = pixels.take(low, axis) * (1 - part) + pixels.take(high, axis) * part
    box = numpy.full((side, side, 3), 114, numpy.uint8)
    left, top = (round((side - n) / 2 - 0.1) for n in inner)
    box[top:top + inner[1], left:left + inner[0]] = numpy.rint(pixels)
    return planes(box, (0, 0, 0), (1, 1, 1))


def difference(ours, theirs, std):
    """Mean and greatest difference in units of a byte; std: of each channel, in bytes."""
    off = numpy.abs(ours - theirs) * numpy.array(std, numpy.float32).reshape(3, 1, 1)
    return float(off.mean()), float(off.max())


def cosine(a, b):
    a, b = numpy.asarray(a, numpy.float64), numpy.asarray(b, numpy.float64)
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))
