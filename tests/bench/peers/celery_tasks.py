"""The tasks of the Celery peer, and its settings: the fastest that its manual has, and no result where nobody waits for one."""
import os

import redis
from celery import Celery
from PIL import Image, ImageStat

URL = os.environ["PEERS_REDIS"]
DONE = "peers:done"

app = Celery("peers", broker=URL, backend=URL)
app.conf.update(
    worker_prefetch_multiplier=int(os.environ.get("PEERS_PREFETCH", "4")),
    task_acks_late=False,               # acknowledged before they run: what a killed worker held is lost, and it is faster
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    task_send_sent_event=False,
    worker_enable_remote_control=True,  # by it a worker says that it is ready; it is idle while the clock runs
    broker_transport_options={"visibility_timeout": 3600},
    result_expires=60,
    task_serializer="json",
)
counter = redis.Redis.from_url(URL)


@app.task(ignore_result=True)
def noop(*_):
    pass


@app.task(ignore_result=False)
def answer(*_):
    """One whose result somebody waits for: a caller, or the join of a chord."""
    return 1


@app.task(ignore_result=True)
def last(*_):
    """The last of a chain, which says that it is over."""
    counter.incr(DONE)


def fit(image, size):
    small = image.copy()
    small.thumbnail((size, size), Image.LANCZOS)
    return small


@app.task(ignore_result=True)
def once(path, out):
    """libjpeg's own shrinking while it decodes (draft), one decode, all three from it."""
    with Image.open(path) as image:
        image.thumbnail((640, 640), Image.LANCZOS)
        image.save(f"{out}.jpg", quality=85)
        fit(image, 250).save(f"{out}.webp", quality=85)
        ImageStat.Stat(fit(image, 32)).stddev       # pylint: disable=expression-not-assigned
    counter.incr(DONE)


@app.task(ignore_result=True)
def thrice(path, out):
    """The same by three decodes."""
    for size, name in ((640, f"{out}.jpg"), (250, f"{out}.webp"), (32, None)):
        with Image.open(path) as image:
            image.thumbnail((size, size), Image.LANCZOS)
            if name:
                image.save(name, quality=85)
            else:
                ImageStat.Stat(image).stddev        # pylint: disable=expression-not-assigned
    counter.incr(DONE)
