#include "tools/trace/convert.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/trace/json.h"

namespace mpg {
namespace tracetool {
namespace {

// Numbers of tracks: a P's is its own and one more, since 0 is not shown well.
constexpr int kWorldTrack = 1000000;

class Writer {
 public:
  Writer(const Timeline& timeline, std::ostream* out)
      : t_(timeline), out_(*out) {}

  void Write() {
    out_ << "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
    Name(kWorldTrack, "the world", 0);
    for (size_t p = 0; p < t_.procs().size(); ++p) {
      Name(static_cast<int>(p) + 1, absl::StrCat("P ", p),
           static_cast<int>(p) + 1);
    }
    for (uint32_t i = 0; i < t_.slices().size(); ++i) WriteSlice(i);
    for (const Span& span : t_.spans()) {
      Begin("X", t_.String(span.name), kWorldTrack, span.start);
      out_ << ",\"dur\":" << Us(span.end - span.start) << "}";
    }
    for (const Mark& mark : t_.marks()) WriteMark(mark);
    for (const Counts& counts : t_.counts()) WriteCounts(counts);
    out_ << "\n]}\n";
  }

 private:
  static std::string Us(int64_t ns) {
    return absl::StrFormat("%d.%03d", ns / 1000, ns % 1000);
  }

  // An event without its end.
  void Begin(absl::string_view phase, absl::string_view name, int track,
             int64_t time) {
    if (!first_) out_ << ",\n";
    first_ = false;
    out_ << "{\"ph\":\"" << phase << "\",\"pid\":1,\"tid\":" << track
         << ",\"ts\":" << Us(time) << ",\"name\":" << JsonString(name);
  }

  void Name(int track, absl::string_view name, int order) {
    Begin("M", "thread_name", track, 0);
    out_ << ",\"args\":{\"name\":" << JsonString(name) << "}}";
    Begin("M", "thread_sort_index", track, 0);
    out_ << ",\"args\":{\"sort_index\":" << order << "}}";
  }

  void WriteSlice(uint32_t i) {
    const Slice& slice = t_.slices()[i];
    const Goroutine& g = t_.goroutines()[slice.g];
    const int track = static_cast<int>(slice.p) + 1;
    const bool syscall = slice.kind == Slice::Kind::kSyscall;
    Begin("X", absl::StrCat("G", g.id, " ", syscall ? "syscall" : t_.NameOf(g)),
          track, slice.start);
    out_ << ",\"cat\":\"" << (syscall ? "syscall" : "goroutine")
         << "\",\"dur\":" << Us(slice.end - slice.start)
         << ",\"args\":{\"goroutine\":" << g.id;
    if (slice.ready >= 0) {
      out_ << ",\"waited_us\":" << Us(slice.start - slice.ready);
    }
    if (slice.reason != kNone) {
      out_ << ",\"stopped_for\":" << JsonString(t_.String(slice.reason));
    }
    if (slice.stack != kNone) {
      out_ << ",\"stopped_at\":"
           << JsonString(t_.FrameText(t_.Stack(slice.stack)[0]));
    }
    out_ << "}}";
    if (slice.waker != kNone && slice.waker_p != kNone) WriteArrow(i);
  }

  void WriteArrow(uint32_t i) {
    const Slice& slice = t_.slices()[i];
    Begin("s", "unblock", static_cast<int>(slice.waker_p) + 1, slice.ready);
    out_ << ",\"cat\":\"unblock\",\"id\":" << i << "}";
    Begin("f", "unblock", static_cast<int>(slice.p) + 1, slice.start);
    out_ << ",\"cat\":\"unblock\",\"bp\":\"e\",\"id\":" << i << "}";
  }

  void WriteMark(const Mark& mark) {
    if (mark.p == kNone) return;
    static constexpr absl::string_view kKinds = "l()[]";
    static constexpr const char* kWords[] = {"log", "region", "region's end",
                                             "task", "task's end"};
    Begin("i",
          absl::StrCat(kWords[kKinds.find(mark.kind)], ": ",
                       t_.String(mark.text)),
          static_cast<int>(mark.p) + 1, mark.time);
    out_ << ",\"s\":\"t\"}";
  }

  void WriteCounts(const Counts& counts) {
    Begin("C", "goroutines", 0, counts.time);
    out_ << ",\"args\":{\"running\":" << counts.running
         << ",\"runnable\":" << counts.runnable
         << ",\"syscall\":" << counts.syscall
         << ",\"waiting\":" << counts.waiting << "}}";
  }

  const Timeline& t_;
  std::ostream& out_;
  bool first_ = true;
};

}  // namespace

void WriteChromeJson(const Timeline& timeline, std::ostream* out) {
  Writer(timeline, out).Write();
}

}  // namespace tracetool
}  // namespace mpg
