"""Injuries of the connections: cut, refused, held up and slowed down, of one program or of all."""
from injury import Injury, excuse, row

WAYS = {
    "drop": ("is cut (RST)", lambda link: link.drop(), (0,)),
    "refuse": ("is cut and refused", lambda link: link.refuse(), (1, 3, 8)),
    "stall": ("takes bytes and gives none", lambda link: link.hold(), (2, 4, 8, 14)),
    "stall-out": ("takes what is sent to the server, and keeps it", lambda link: link.hold(back=False), (2, 5, 9)),
    "stall-back": ("takes what the server answers, and keeps it", lambda link: link.hold(out=False), (2, 5, 9)),
    "slow": ("lets a few KB/s through", lambda link: link.slow(), (3, 6)),
}


class BadLink(Injury):
    def draw(self, rng):
        kinds = self.settings["programs"]
        slots = [f"{kind}{k}" for kind in kinds for k in range(self.n[kind])]
        self.slot_names = slots if rng.random() < 0.35 else [rng.choice(slots)]

    def target(self):
        return "of " + ", ".join(self.slot_names)

    def links(self, lane):
        for name in self.slot_names:
            slot = lane.slot(name)
            for key, link in slot.links.items():
                if key.startswith(self.settings["server"]):
                    yield slot, link

    def inject(self, lane):
        way = self.settings["way"]
        for slot, link in self.links(lane):
            if self.settings["server"] == "redis" and self.lasts > 1:
                excuse(lane, slot)      # its heartbeats do not come through
            WAYS[way][1](link)
        lane.counts[f"link {way}"] += 1

    def heal(self, lane):
        for _, link in self.links(lane):
            link.heal()


for _way, (_what, _, _lasts) in WAYS.items():
    for _server, _name, _programs in (("redis", "Redis", ("dispatcher", "worker")), ("postgres", "PostgreSQL", ("dispatcher",)),
                                      ("dispatcher", "a dispatcher", ("worker",))):
        row(f"{_server}-link-{_way}", f"a link to {_name} {_what}", BadLink, server=_server, way=_way, lasts=_lasts, programs=_programs)
