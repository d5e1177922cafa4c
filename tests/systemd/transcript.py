"""What was typed and what came back, as an operator would paste it: all of it in a file, a short form on the screen."""
import time

SHORT_LINES = 4
SHORT_WIDTH = 132


class Transcript:
    def __init__(self, path):
        self.began = time.monotonic()
        self.file = open(path, "w", encoding="utf-8")       # pylint: disable=consider-using-with

    def stamp(self):
        return f"{time.monotonic() - self.began:6.1f} s"

    def note(self, text):
        """What the next commands are for, or what was seen."""
        self.put(f"## {self.stamp()}  {text}", f"   {self.stamp()}  {text}")

    def command(self, line, output, code=0, quiet=False):
        """quiet: only in the file."""
        output = output.rstrip("\n")
        text = f"# {line}" + (f"\n{output}" if output else "") + (f"\n(exit status {code})" if code else "")
        lines = output.splitlines()
        short = [f"# {line}", *lines[:SHORT_LINES]] + ([f"... ({len(lines)} lines)"] if len(lines) > SHORT_LINES else [])
        self.put(text, None if quiet else "\n".join(one[:SHORT_WIDTH] for one in short))

    def table(self, title, rows):
        widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        self.put(f"## {title}\n" + "\n".join(lines), f"   {title}\n" + "\n".join("   " + line for line in lines))

    def put(self, text, short):
        self.file.write(text + "\n")
        self.file.flush()
        if short is not None:
            print(short, flush=True)

    def close(self):
        self.file.close()
