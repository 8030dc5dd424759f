"""Goroutines in gdb: of a running program or a core file.

  (gdb) source tools/gdb/mpg-gdb.py

  info goroutines            every goroutine: number, state, where it is
  goroutine N CMD            CMD (bt, info locals, ...) in goroutine N; several
                             with ; between, as in: frame 3; info args
  goroutine all bt           the stacks of all
  info procs                 the Ps: what runs on them, their queues
  info threads-m             the Ms: their threads, Ps and goroutines
  $goroutine(N)              the descriptor of goroutine N, a G*

Values of the types Chan<T>, SendChan<T>, RecvChan<T>, HChan, G, P and M are shown
for people; print/r shows what is in them.

The program needs debug information (-g), and may be optimized. Nothing is run in
it and nothing of it is changed: the stack of a goroutine that is not running is
walked by an unwinder that says that the innermost frame of the selected thread was
called by where the goroutine left off. Needs gdb 11 or later.
"""

import re

import gdb
import gdb.printing
import gdb.unwinder

G_STATUS = {0: "idle", 1: "runnable", 2: "running", 3: "syscall", 4: "waiting",
            6: "dead", 9: "preempted"}
P_STATUS = {0: "idle", 1: "running", 2: "syscall", 3: "gcstop", 4: "dead"}
# Descriptors of one entry of Sched::g_blocks: kGBlock (spawn.cc).
G_BLOCK = 64
NAMESPACE = "mpg::internal::"


def plain(value):
    """What std::atomic, OwnerCell and the like hold."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [f for f in value.type.strip_typedefs().fields()
                  if f.is_base_class or not hasattr(f, "enumval")]
        names = [f.name for f in fields if not f.is_base_class]
        for name in ("value_", "_M_i", "_M_b", "_M_p", "_M_base"):
            if name in names:
                value = value[name]
                break
        else:
            bases = [f for f in fields if f.is_base_class]
            if not bases:
                return value
            value = value[bases[0]]
    return value


def number(value):
    return int(plain(value))


def pointer(value):
    return int(plain(value).cast(gdb.lookup_type("unsigned long")))


def std_string(value):
    try:
        return value["_M_dataplus"]["_M_p"].string()
    except gdb.error:
        return str(value).strip('"')


def vector(value):
    """The elements of a std::vector."""
    impl = value["_M_impl"]
    at, end = impl["_M_start"], impl["_M_finish"]
    while at != end:
        yield at.dereference()
        at += 1


def variable(name):
    # Not parse_and_eval, which reads names as the selected frame's language does.
    symbol = gdb.lookup_global_symbol(NAMESPACE + name)
    if symbol is None:
        raise gdb.GdbError("no mpg runtime with debug information here")
    return symbol.value()


def scheds():
    all_of_them = variable("debug_scheds")
    if int(all_of_them) == 0:
        return []
    return list(vector(all_of_them.dereference()))


def all_goroutines(sched):
    """G* of every goroutine that exists."""
    for block in vector(sched["g_blocks"]):
        for i in range(G_BLOCK):
            g = block + i
            if number(g["status"]) not in (0, 6):
                yield g


def goroutines():
    for sched in scheds():
        yield from all_goroutines(sched)


def find_goroutine(goid):
    for g in goroutines():
        if int(g["goid"]) == goid:
            return g
    raise gdb.GdbError("no goroutine %d" % goid)


def name_of(g):
    extra = g["extra"]
    return std_string(extra["name"]) if int(extra) != 0 else ""


def state_of(g):
    status = number(g["status"])
    if status == 4 and int(g["site"]) != 0:
        names = variable("kWaitReasonNames")
        state = "waiting, " + names[int(g["site"]["reason"])].string()
    else:
        state = G_STATUS.get(status, "?%d" % status)
    if pointer(g["lockedm"]) != 0:
        state += ", locked to thread"
    return state


def thread_of(m):
    tid = int(m["tid"])
    for thread in gdb.selected_inferior().threads():
        if tid in thread.ptid[1:]:
            return thread
    return None


def context_of(g):
    """(sp, bp, pc) where g goes on; None: it is on its thread now."""
    status = number(g["status"])
    if status in (2, 9):
        return None
    ctx = g["m"]["call"] if status == 3 else g["ctx"]
    return tuple(int(ctx[r]) for r in ("sp", "bp", "pc"))


def has_stack(g):
    return int(g["stack"]["hi"]) != 0


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class GoroutineUnwinder(gdb.unwinder.Unwinder):
    """While `context` is set, the caller of a thread's innermost frame is there."""

    def __init__(self):
        super().__init__("mpg-goroutine")
        self.context = None

    def __call__(self, pending):
        if self.context is None or pending.level() != 0:
            return None
        sp, bp, pc = self.context
        names = ("rsp", "rbp", "rip")
        if pending.architecture().name().startswith("aarch64"):
            names = ("sp", "x29", "pc")
        here = pending.read_register(names[2])
        # The stack pointer given is the goroutine's, so that gdb does not take its
        # frames for further in than this one.
        info = pending.create_unwind_info(FrameId(gdb.Value(sp), here))
        word = gdb.lookup_type("unsigned long")
        for name, value in zip(names, (sp, bp, pc)):
            info.add_saved_register(name, gdb.Value(value).cast(word))
        return info


unwinder = GoroutineUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


class Selected:
    """For a with statement: the frames are those of g.

    `first` is the level of g's own innermost frame.
    """

    def __init__(self, g):
        self.g = g
        self.first = 0

    def __enter__(self):
        self.thread = gdb.selected_thread()
        if self.thread is None:
            raise gdb.GdbError("no thread to look from")
        self.frame = gdb.selected_frame().level()
        context = context_of(self.g)
        if context is None:
            thread = thread_of(self.g["m"].dereference())
            if thread is None:
                raise gdb.GdbError("the thread of goroutine %d is not here"
                                   % int(self.g["goid"]))
            thread.switch()
        else:
            unwinder.context = context
            gdb.invalidate_cached_frames()
            self.first = 1
            caller = gdb.newest_frame().older()
            if caller is None:
                self.__exit__()
                raise gdb.GdbError("goroutine %d cannot be unwound"
                                   % int(self.g["goid"]))
            caller.select()
        return self

    def __exit__(self, *_):
        unwinder.context = None
        gdb.invalidate_cached_frames()
        self.thread.switch()
        try:
            gdb.execute("frame %d" % self.frame, to_string=True)
        except gdb.error:
            pass
        return False


def backtrace(g, arguments=""):
    """The text of `bt` in g, its innermost frame first, as #0."""
    if not has_stack(g):
        return "has not begun: %s\n" % describe_start(g)
    with Selected(g) as selected:
        text = gdb.execute("bt " + arguments, to_string=True)
    if selected.first == 0:
        return text
    out = []
    for line in text.splitlines():
        frame = re.match(r"#(\d+) +(.*)", line)
        if frame is None:
            if out:
                out.append(line)
        elif frame.group(1) != "0":
            level = int(frame.group(1)) - 1
            out.append(("#%d" % level).ljust(4) + frame.group(2))
    return "\n".join(out) + "\n"


def describe_start(g):
    block = gdb.block_for_pc(int(g["gopc"]))
    return "created by %s" % (block.function if block is not None else "?")


def where(g):
    """The innermost function of g that is the program's own."""
    if not has_stack(g):
        return "(has not begun)"
    try:
        with Selected(g) as selected:
            frame = gdb.newest_frame()
            for _ in range(selected.first):
                frame = frame.older()
            last = "?"
            while frame is not None:
                name = frame.name() or "?"
                if not name.startswith(("mpg::", "__", "syscall", "?")):
                    sal = frame.find_sal()
                    place = (" at %s:%d" % (sal.symtab.filename, sal.line)
                             if sal.symtab is not None else "")
                    return name + place
                last = name
                frame = frame.older()
            return last
    except (gdb.error, gdb.GdbError) as e:
        return "(%s)" % e


class InfoGoroutines(gdb.Command):
    """Lists goroutines: number, name, state, and the program's innermost function.
    info goroutines [COUNT]: the first COUNT of them."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        limit = int(argument) if argument else None
        selected = gdb.selected_thread()
        listed = 0
        for g in goroutines():
            if limit is not None and listed == limit:
                print("...")
                return
            listed += 1
            here = " "
            if number(g["status"]) in (2, 3, 9) and selected is not None:
                thread = thread_of(g["m"].dereference())
                if thread is not None and thread.num == selected.num:
                    here = "*"
            name = name_of(g)
            print("%s %-5d [%s]%s %s" % (here, int(g["goid"]), state_of(g),
                                         ' "%s"' % name if name else "", where(g)))
        if listed == 0:
            print("no goroutines")


class Goroutine(gdb.Command):
    """Runs a command in a goroutine: goroutine N bt, goroutine N info locals.
    `all` instead of a number: in each. Without a command: bt."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        who, _, command = argument.partition(" ")
        command = command.strip() or "bt"
        if who == "all":
            for g in goroutines():
                self.run(g, command, header=True)
        elif who.isdigit():
            self.run(find_goroutine(int(who)), command, header=False)
        else:
            raise gdb.GdbError("usage: goroutine N|all COMMAND")

    def run(self, g, command, header):
        if header:
            name = name_of(g)
            print("goroutine %d%s [%s]:" % (int(g["goid"]),
                                            ' "%s"' % name if name else "",
                                            state_of(g)))
        first, _, rest = command.partition(" ")
        try:
            if first in ("bt", "backtrace", "where"):
                print(backtrace(g, rest), end="")
            elif not has_stack(g):
                raise gdb.GdbError("it has not begun")
            else:
                with Selected(g) as selected:
                    for one in command.split(";"):
                        self.run_in(selected, one.strip())
        except gdb.GdbError as e:
            if not header:
                raise
            print(e)
        if header:
            print()


    def run_in(self, selected, command):
        # Frames are numbered here as `goroutine N bt` numbers them.
        frame = re.match(r"f(?:rame)? +(\d+)$", command)
        if frame is None:
            gdb.execute(command)
            return
        level = int(frame.group(1))
        frame = gdb.newest_frame()
        for _ in range(level + selected.first):
            frame = frame.older()
            if frame is None:
                raise gdb.GdbError("no frame %d" % level)
        frame.select()
        text = gdb.execute("frame", to_string=True)
        print(re.sub(r"^#\d+ *", ("#%d" % level).ljust(4), text), end="")


def goroutine_label(g):
    if int(g) == 0:
        return "-"
    return "G%d" % int(g["goid"]) if int(g["goid"]) != 0 else "g0"


def proc_line(p):
    m = plain(p["m"])
    queue = p["runq"]
    size = max(0, (number(queue["tail_"]) - number(queue["head_"])) & 0xffffffff)
    if size > 1 << 31:
        size = 0
    runnext = plain(queue["runnext_"])
    heap = p["timers"]["heap_"]["entries_"]["_M_impl"]
    line = "P%d %-8s" % (int(p["id"]), P_STATUS.get(number(p["status"]), "?"))
    if int(m) != 0:
        thread = thread_of(m.dereference())
        line += " M%d (%s)" % (int(m["id"]),
                               "thread %d, LWP %d" % (thread.num, int(m["tid"]))
                               if thread is not None else
                               "LWP %d" % int(m["tid"]))
        line += " %s" % goroutine_label(plain(m["curg"]))
    line += " runq=%d runnext=%s timers=%d schedtick=%d syscalltick=%d" % (
        size, goroutine_label(runnext),
        int(heap["_M_finish"] - heap["_M_start"]), number(p["schedtick"]),
        number(p["syscalltick"]))
    return line


class InfoProcs(gdb.Command):
    """Lists the Ps: status, thread, running goroutine, queue lengths."""

    def __init__(self):
        super().__init__("info procs", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for sched in scheds():
            print("Runtime %s: %d procs, %d threads, %d spinning, global queue %d"
                  % (sched, number(sched["gomaxprocs"]),
                     number(sched["nthreads"]), number(sched["nmspinning"]),
                     number(sched["runq"]["size_"]) +
                     number(sched["spill"]["size_"])))
            for i in range(number(sched["gomaxprocs"])):
                print("  " + proc_line(sched["allp"][i].dereference()))


class InfoThreadsM(gdb.Command):
    """Lists the Ms: thread, P and goroutine."""

    def __init__(self):
        super().__init__("info threads-m", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for sched in scheds():
            for m in vector(sched["allm"]):
                if number(m["state"]) > 1:
                    continue  # its thread has ended
                print(MPrinter(m.dereference()).to_string())


class GoroutineFunction(gdb.Function):
    """$goroutine(N): the descriptor of goroutine N."""

    def __init__(self):
        super().__init__("goroutine")

    def invoke(self, goid):
        return find_goroutine(int(goid))


class GPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        g = self.value
        name = name_of(g)
        return "goroutine %d%s [%s]" % (int(g["goid"]),
                                        ' "%s"' % name if name else "",
                                        state_of(g))


class MPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        m = self.value
        p = plain(m["p"])
        if int(p) != 0 and int(plain(p["m"])) != int(m.address):
            p = gdb.Value(0)  # lost in a system call
        thread = thread_of(m)
        flags = "".join(" " + f for f in ("spinning", "is_m0") if number(m[f]))
        return "M%d LWP %d%s P=%s curg=%s lockedg=%s%s" % (
            int(m["id"]), int(m["tid"]),
            " (thread %d)" % thread.num if thread is not None else "",
            "P%d" % int(p["id"]) if int(p) != 0 else "-",
            goroutine_label(plain(m["curg"])),
            goroutine_label(plain(m["lockedg"])), flags)


class PPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return proc_line(self.value)


def waiter_label(waiter):
    ops = int(waiter["ops"])
    goroutine_ops = int(variable("kGoroutineOps").address)
    if ops != goroutine_ops:
        return "a thread"
    g = waiter.cast(gdb.lookup_type(NAMESPACE + "G").pointer())
    return "G%d" % int(g["goid"])


def wait_queue(queue):
    labels = []
    sudog = plain(queue["first_"])
    while int(sudog) != 0 and len(labels) < 100:
        labels.append(waiter_label(sudog["waiter"]))
        sudog = sudog["next"]
    return labels


class HChanPrinter:
    """A channel; with the element type known, its buffered values too."""

    def __init__(self, value, element=None):
        self.value = value
        self.element = element

    def to_string(self):
        c = self.value
        text = "len=%d cap=%d" % (number(c["count"]), int(c["capacity"]))
        if number(c["closed"]):
            text += " closed"
        for queue, word in (("recvq", "receiving"), ("sendq", "sending")):
            labels = wait_queue(c[queue])
            if labels:
                text += " %s: %s" % (word, ", ".join(labels))
        return text

    def children(self):
        if self.element is None:
            return
        c = self.value
        ring = int(c.address) + int(c["elem"]["ring_offset"])
        size, capacity = int(c["elem"]["size"]), int(c["capacity"])
        for i in range(number(c["count"])):
            slot = ring + (int(c["recvx"]) + i) % capacity * size
            yield "[%d]" % i, gdb.Value(slot).cast(
                self.element.pointer()).dereference()


class ChanPrinter:
    """Chan<T>, SendChan<T>, RecvChan<T>."""

    def __init__(self, value):
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        self.element = value.type.strip_typedefs().template_argument(0)
        self.name = re.sub(r"<.*", "", value.type.strip_typedefs().name)
        self.chan = value["c_"]
        self.inner = None
        if int(self.chan) != 0:
            self.inner = HChanPrinter(self.chan.dereference(), self.element)

    def to_string(self):
        head = "%s<%s>" % (self.name, self.element)
        if self.inner is None:
            return head + " nil"
        return "%s %s" % (head, self.inner.to_string())

    def children(self):
        return iter(()) if self.inner is None else self.inner.children()


def printers():
    all_of_them = gdb.printing.RegexpCollectionPrettyPrinter("mpg")
    all_of_them.add_printer("Chan", r"^mpg::(Send|Recv)?Chan<.*>$", ChanPrinter)
    all_of_them.add_printer("HChan", r"^mpg::internal::BasicHChan<.*>$",
                            HChanPrinter)
    all_of_them.add_printer("G", r"^mpg::internal::G$", GPrinter)
    all_of_them.add_printer("M", r"^mpg::internal::M$", MPrinter)
    all_of_them.add_printer("P", r"^mpg::internal::P$", PPrinter)
    return all_of_them


gdb.printing.register_pretty_printer(None, printers(), replace=True)
InfoGoroutines()
Goroutine()
InfoProcs()
InfoThreadsM()
GoroutineFunction()
