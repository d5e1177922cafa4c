"""helper.py - the C programs that stand beside a measurement: each says "ready", and ends when its input does."""
import contextlib
import subprocess

from stand import built, die_with_us


@contextlib.contextmanager
def helper(*words):
    """Runs it for the length of a `with`."""
    process = subprocess.Popen([built(words[0]), *map(str, words[1:])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               preexec_fn=die_with_us)
    try:
        line = process.stdout.readline()
        assert line == "ready\n", f"{words[0]} said {line!r}, and ended with {process.wait(10)}"
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def far_away(services, rtt_ms, postgres=True):
    """{setting: value} of programs for which Redis, and PostgreSQL, are so many milliseconds away. 0: by no proxy."""
    if rtt_ms == 0:
        yield {}
        return
    redis_port, postgres_port = services.free_port(), services.free_port()
    pairs = [f"{redis_port}:{services.redis.port}", f"{postgres_port}:{services.postgres.port}"]
    with helper("delay_proxy", int(rtt_ms * 500), *pairs):
        settings = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
        if postgres:
            settings["DATABASE_URL"] = lambda url: url.replace(f":{services.postgres.port}/", f":{postgres_port}/")
        yield settings


def applied(settings, services, database):
    """The settings for one database."""
    return {name: value(services.postgres.url(database)) if callable(value) else value for name, value in settings.items()}
