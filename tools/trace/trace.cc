// trace summary FILE
// trace convert FILE OUT.json
// trace print FILE
// trace serve [--http=HOST:PORT] FILE
//
// Reads an execution trace in the format of Go 1.22 and 1.23, without Go. Of a damaged
// file it shows what can be read, says what is wrong, and exits with status 1.
#include <gflags/gflags.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tools/trace/convert.h"
#include "tools/trace/event_text.h"
#include "tools/trace/reader.h"
#include "tools/trace/serve.h"
#include "tools/trace/summary.h"
#include "tools/trace/timeline.h"

DEFINE_string(http, "127.0.0.1:0",
              "serve: the address; port 0: one that is free");

namespace {

using mpg::tracetool::Event;
using mpg::tracetool::Timeline;
using mpg::tracetool::TraceReader;

constexpr char kUsage[] =
    "reads execution traces of mpg and Go\n"
    "  trace summary FILE           where goroutines spent their time\n"
    "  trace convert FILE OUT.json  for ui.perfetto.dev and chrome://tracing\n"
    "  trace print FILE             every event, as go tool trace -d=parsed\n"
    "  trace serve FILE             a page with the timeline, for a browser";

int Complain(const std::string& what) {
  std::cout.flush();
  std::cerr << "trace: " << what << "\n";
  return 1;
}

int Complain(const std::string& file, const absl::Status& status) {
  return Complain(absl::StrCat(file, ": ", std::string(status.message())));
}

uint64_t SizeOf(std::ifstream* in) {
  in->seekg(0, std::ios::end);
  const std::streamoff size = in->tellg();
  in->clear();
  in->seekg(0);
  in->clear();  // a pipe has no size, and no beginning
  return size < 0 ? 0 : static_cast<uint64_t>(size);
}

// Shows on a terminal how far a large file has been read.
class Progress {
 public:
  explicit Progress(std::ifstream* in) : size_(SizeOf(in)) {}
  ~Progress() {
    if (shown_ >= 0) std::fprintf(stderr, "\r%*s\r", 20, "");
  }
  bool operator()(uint64_t bytes) {
    const int percent = static_cast<int>(bytes * 100 / (size_ + 1));
    if (!terminal_ || percent == shown_) return true;
    shown_ = percent;
    std::fprintf(stderr, "\rreading: %d %%", percent);
    return true;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const uint64_t size_;
  int shown_ = -1;
};

absl::Status Load(std::ifstream* in, Timeline* timeline) {
  Progress progress(in);
  TraceReader reader(in);
  return timeline->Load(&reader, [&](uint64_t n) { return progress(n); });
}

int RunSummary(const std::string& file, std::ifstream* in) {
  Timeline timeline;
  const absl::Status status = Load(in, &timeline);
  if (timeline.events() > 0) std::cout << Summary(timeline);
  return status.ok() ? 0 : Complain(file, status);
}

int RunConvert(const std::string& file, std::ifstream* in,
               const std::string& out_file) {
  Timeline timeline;
  const absl::Status status = Load(in, &timeline);
  if (timeline.events() > 0) {
    std::ofstream out(out_file, std::ios::binary);
    WriteChromeJson(timeline, &out);
    out.close();
    if (!out) return Complain(absl::StrCat("cannot write ", out_file));
  }
  return status.ok() ? 0 : Complain(file, status);
}

int RunPrint(const std::string& file, std::ifstream* in) {
  TraceReader reader(in);
  Event event;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(&event);
    if (!more.ok()) return Complain(file, more.status());
    if (!*more) return 0;
    std::cout << EventText(event) << "\n";
  }
}

int Usage() {
  std::cerr
      << "usage: trace summary|convert|print|serve FILE...; --help says more\n";
  return 2;
}

int Run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const bool converts = command == "convert";
  if (argc != (converts ? 4 : 3)) return Usage();
  const std::string file = argv[2];
  auto opened = std::make_unique<std::ifstream>(file, std::ios::binary);
  std::ifstream& in = *opened;
  if (!in) return Complain(absl::StrCat("cannot open ", file));
  if (command == "serve") {
    const uint64_t size = SizeOf(&in);
    return mpg::tracetool::Serve(FLAGS_http, file, std::move(opened), size);
  }
  if (command == "summary") return RunSummary(file, &in);
  if (command == "print") return RunPrint(file, &in);
  return converts ? RunConvert(file, &in, argv[3]) : Usage();
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  gflags::SetUsageMessage(kUsage);
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return Run(argc, argv);
}
